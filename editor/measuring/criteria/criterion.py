"""What a criterion is: a measure, its limit in the policy, how it is counted, and its words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from editor.formatting import number, percent
from editor.measuring.aggregate import Scored
from editor.measuring.forgetting import TruthRatios, truth_ratios
from editor.results.names import Group, Outcome
from editor.results.parts import Rate
from editor.results.report import Check, Criterion
from policies import Policy

NOT_TESTED = "not tested"


class RetainedText(NamedTuple):
    """Change of retained text by an edit."""

    tokens: int
    """Number of tokens measured."""
    rise: float
    """Relative rise of perplexity; 0.01 is one per cent."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Observation of a model, which criteria count.

    Attributes:
        erased: Facts in scope and their decoys, scored on the model that is judged.
        kept: Questions about what must stay, scored before and after the edit; None where no edit is judged.
        text: Change on retained text; None where no edit is judged.
        checks: Integrity checks of the checkpoint; None where none was written.
        reference: The facts in scope and their decoys, scored on a model that never saw them; None where there is none.
    """

    erased: Scored = field(repr=False)
    kept: tuple[Scored, Scored] | None = field(default=None, repr=False)
    text: RetainedText | None = None
    checks: Sequence[Check] | None = None
    reference: Scored | None = field(default=None, repr=False)

    @cached_property
    def ratios(self) -> TruthRatios:
        """Truth ratios of the facts in scope and of what was never seen."""
        return truth_ratios(self.erased, self.reference)


class Count(NamedTuple):
    """What was measured, and of how many things."""

    measured: float
    """Share of 0 to 1, relative change, or number of checks."""
    of: int
    """Number of facts, questions, tokens or checks counted; with 0 the criterion is not tested."""
    rate: Rate | None = None
    """Rate behind `measured`, where single facts or questions were counted."""

    @classmethod
    def share(cls, rate: Rate) -> "Count":
        """Count hits of a total."""
        return cls(rate.rate, rate.total, rate)


@dataclass(frozen=True, kw_only=True)
class CriterionEntry:
    """One criterion.

    Attributes:
        measure: Name in reports, and the policy's key for the limit where it has one.
        kind: Kind of criterion.
        comparison: Whether the limit is a ceiling or a floor.
        name: What is measured, in words; `{limit}` and `{policy}` are filled in.
        reason: Why the policy is not met, in words, with `{measured}`, `{limit}`, `{ceiling}`, `{name}`, `{failed}`
            and `{leaks}`.
        count: What is counted; returns None where the observation cannot be asked for it.
        limit: Limit, in the unit of the count.
        aim: What a search aims at within the limit, in the unit of the count; None for the limit itself. A trial that
            just meets a limit on the wordings it was judged by misses it on others as often as not.
        unit: Unit of the figures in reports.
        scale: Factor between the policy's unit and a share; 100 where the policy counts in per cent.
        note: What follows the limit in tables.
        groups: Groups that must stay and that the criterion speaks of.
    """

    measure: str
    kind: Literal["leakage", "utility", "integrity"]
    comparison: Literal["at most", "at least"]
    name: str
    reason: str
    count: Callable[[Policy, Observation], Count | None]
    limit: Callable[[Policy, Count], float]
    aim: Callable[[Policy], float] | None = None
    unit: Literal["share", "change", "number"] = "share"
    scale: float = 1.0
    note: str = ""
    groups: tuple[Group, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What a run fails by where the criterion is not met; a damaged checkpoint counts as utility."""
        return "leakage" if self.kind == "leakage" else "utility"

    def judge(self, policy: Policy, observed: Observation) -> Criterion | None:
        """Judge an observation; return None where this is no question to ask of it, as of what an audit keeps."""
        count = self.count(policy, observed)
        return None if count is None else self.judge_count(policy, count)

    def judge_count(self, policy: Policy, count: Count) -> Criterion:
        """Judge what was counted."""
        limit, tested = self.limit(policy, count), count.of > 0
        below = count.measured <= limit if self.comparison == "at most" else count.measured >= limit
        return Criterion(
            measure=self.measure,
            name=self.name.format(policy=policy),
            kind=self.kind,
            comparison=self.comparison,
            threshold=limit,
            measured=count.measured if tested else None,
            counted=count.rate,
            passed=tested and below,
            tested=tested,
            required=policy.untested == "incomplete",
        )

    def has_room(self, policy: Policy, row: Criterion) -> bool:
        """Return whether a ceiling is met by as much as a search aims at; with nothing tested there is no aim."""
        if self.aim is None or row.measured is None:
            return not row.failed
        return row.measured <= self.aim(policy)

    def limit_text(self, row: Criterion) -> str:
        """Return 'at most 1%', in the unit of the criterion."""
        return f"{row.comparison} {self._written(row.threshold)}{self.note}"

    def measured_text(self, row: Criterion) -> str:
        """Return what was measured, told apart from the limit; 'not tested' where there was nothing to count."""
        if row.measured is None:
            return NOT_TESTED
        if self.unit == "number":
            return number(row.measured)
        return percent(row.measured, signed=self.unit == "change", apart_from=row.threshold)

    def reason_text(self, row: Criterion, leaks: str) -> str:
        """Return why the policy is not met.

        Args:
            row: criterion that failed.
            leaks: number of facts that leak, in words.
        """
        measured = row.measured or 0.0
        return self.reason.format(
            leaks=leaks,
            measured=percent(measured, apart_from=row.threshold)
            if self.unit != "number"
            else number(measured),
            name=row.name.removeprefix("facts "),
            limit=self._written(row.threshold),
            ceiling="none may" if row.threshold == 0 else f"at most {self._written(row.threshold)} may",
            failed=f"{row.threshold - measured:.0f} of {row.threshold:.0f}",
        )

    def policy_text(self, value: float | None) -> str:
        """Write a value of the policy, in the policy's unit, as tables do."""
        return "none" if value is None else self._written(value / self.scale)

    def _written(self, value: float) -> str:
        return number(value) if self.unit == "number" else percent(value)
