"""`--fail-on`: which outcomes fail a run, and which thresholds of the policy it replaces.

The policy in the report stays the one that was given. What a run judged differently, and what it did not fail
on, stands in `Report.gate` and at the end of the verdict, so that an exit code of 0 never reads as more than it is.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NoReturn

from pydantic import ValidationError

from editor.formatting import number
from editor.measuring.verdict import exit_code, outcomes
from editor.results.names import EXIT_CODES, Outcome
from editor.results.report import Gate, PolicySummary, Report, ThresholdOverride
from policies import Policy
from policies.entities import nearest
from policies.errors import PolicyError
from policies.policy import LeakageCeilings, UtilityFloors

NOTHING = "none"
THRESHOLDS = (*LeakageCeilings.model_fields, *UtilityFloors.model_fields)


@dataclass(frozen=True, kw_only=True)
class FailOn:
    """Outcomes that a run fails on, and thresholds that it replaces.

    Attributes:
        outcomes: outcomes that give an exit code other than 0, gravest first.
        thresholds: the policy's keys and the numbers that stand in for the policy's, in the policy's units.
    """

    outcomes: tuple[Outcome, ...] = tuple(EXIT_CODES)
    thresholds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, values: Iterable[str]) -> "FailOn":
        """Read `--fail-on` values: outcomes or "none", and NAME=NUMBER; several in one value by commas.

        Raises:
            PolicyError: a name is unknown, "none" stands beside an outcome, or a number is none.
        """
        words = [word.strip() for value in values for word in value.split(",")]
        thresholds = dict(_threshold(word) for word in words if "=" in word)
        named = {_outcome(word) for word in words if "=" not in word}
        if NOTHING in named and len(named) > 1:
            raise PolicyError("--fail-on names none and an outcome", "Give either")
        chosen = tuple(outcome for outcome in EXIT_CODES if outcome in named or not named)
        return cls(outcomes=chosen, thresholds=MappingProxyType(thresholds))

    def applied_to(self, policy: Policy) -> Policy:
        """Return the policy that this run measures and judges by.

        Raises:
            PolicyError: a number is outside what its threshold allows.
        """
        leakage = {
            key: value for key, value in self.thresholds.items() if key in LeakageCeilings.model_fields
        }
        utility = {key: value for key, value in self.thresholds.items() if key in UtilityFloors.model_fields}
        try:
            changed = {
                "leakage": LeakageCeilings.model_validate(policy.leakage.model_dump() | leakage),
                "utility": UtilityFloors.model_validate(policy.utility.model_dump() | utility),
            }
        except ValidationError as error:
            _refuse_number(str(error.errors()[0]["loc"][0]), error.errors()[0]["msg"])
        return policy.model_copy(update=changed) if self.thresholds else policy

    def judge(self, report: Report, policy: Policy, *, incomplete: bool) -> Report:
        """Give a report its exit code, and say what the policy as it stands would have said otherwise.

        Args:
            report: report judged by `applied_to(policy)`.
            policy: policy that was given.
            incomplete: whether something was skipped.
        """
        occurred = outcomes(report.criteria, incomplete=incomplete)
        gate = Gate(
            fails_on=self.outcomes,
            waived=tuple(outcome for outcome in occurred if outcome not in self.outcomes),
            overridden=tuple(self._overridden(policy)),
        )
        return report.model_copy(
            update={
                "gate": gate,
                "policy": PolicySummary(name=policy.name, digest=policy.digest, text=policy.text),
                "exit_code": int(exit_code(report.criteria, incomplete=incomplete, fails_on=self.outcomes)),
                "verdict": " ".join([report.verdict, *notes(gate)]),
            }
        )

    def _overridden(self, policy: Policy) -> Iterable[ThresholdOverride]:
        given = policy.leakage.model_dump() | policy.utility.model_dump()
        for key in THRESHOLDS:
            if key in self.thresholds and self.thresholds[key] != given.get(key):
                yield ThresholdOverride(threshold=key, policy=given.get(key), run=self.thresholds[key])


def notes(gate: Gate) -> Iterable[str]:
    """Yield what a gate departs from the policy in, a sentence each."""
    if gate.overridden:
        replaced = "; ".join(
            f"{row.threshold} {number(row.run)}, where the policy "
            f"{'sets none' if row.policy is None else f'says {number(row.policy)}'}"
            for row in gate.overridden
        )
        yield f"Thresholds replaced for this run: {replaced}."
    for outcome in gate.waived:
        yield f"This run does not fail on {outcome}."


def _outcome(word: str) -> str:
    if word not in (*EXIT_CODES, NOTHING):
        _refuse(word)
    return word


def _threshold(word: str) -> tuple[str, float]:
    name, _, text = (part.strip() for part in word.partition("="))
    if name not in THRESHOLDS:
        _refuse(name)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        _refuse_number(name, "it is no number")
    return name, value


def _refuse(word: str) -> NoReturn:
    guess = nearest(word, [*EXIT_CODES, NOTHING, *THRESHOLDS])
    hint = f"Did you mean {guess}? " if guess else ""
    raise PolicyError(
        f"--fail-on knows no {word!r}",
        f"{hint}Give {', '.join(EXIT_CODES)} or {NOTHING}, or a threshold as NAME=NUMBER: {', '.join(THRESHOLDS)}",
    )


def _refuse_number(name: str, reason: str) -> NoReturn:
    raise PolicyError(
        f"--fail-on cannot set {name} ({reason.lower()})", f"Give a number as the policy's {name} allows it"
    )
