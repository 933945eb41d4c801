"""What a comparison measured, in one validated structure: comparison.json is this with sorted keys.

It holds no personal data and no time of day. What was measured of the machine (`Cost`) differs from run to run and is
kept apart, in costs.json; all the rest is the same for the same inputs, seeds and case key.
"""

import json
from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field, model_validator

from editor.results.attacks import AttackRow
from editor.results.edits import TrialRow
from editor.results.names import MethodFamily
from editor.results.notebook import show_table
from editor.results.parts import Part, Rate
from editor.results.report import ModelSummary, PolicySummary, Scope

COMPARISON_VERSION = 1

PointName = Literal["policy", "norm", "collateral", "quarter"]
ComparedMeasure = Literal["gen", "exposed", "bits"]
"""Measures that arms are tested by; bits above `statistics.MOST_BITS` count as that many."""
POINTS: dict[PointName, str] = {
    "policy": "tuned to the policy",
    "norm": "same ‖ΔW‖",
    "collateral": "same collateral",
    "quarter": "a quarter of the collateral",
}
"""Operating points, in words. All but the first go by the reference arm tuned to the policy, in the same seed."""
QUARTER = 0.25
"""Share of the reference's collateral at the last point: there it shows which arm gets most for little."""
NEAR = 0.02
"""Share to within which collateral is matched."""


_FORMER_ATTACKS = {
    "four_bit": {"attack": "4-bit", "name": "4-bit weights (round to nearest, groups of 64)"},
    "relearned": {"attack": "relearning", "name": "relearning on some erased people's records"},
}
"""Fields of older comparisons, and the attacks that they are of."""


def _former_attacks(data: Any, read: Callable[[dict[str, str], Any], Any]) -> tuple[Any, list[Any]]:
    """Split what an older comparison says of attacks from the rest; nothing is split from a present one."""
    if not isinstance(data, dict) or not set(data) & set(_FORMER_ATTACKS):
        return data, []
    rest = {key: value for key, value in data.items() if key not in _FORMER_ATTACKS}
    return rest, [read(row, data[name]) for name, row in _FORMER_ATTACKS.items() if name in data]


class FactOutcome(Part):
    """One erased fact under an edit, by its keyed label."""

    fact: str
    subject: str
    rel: float
    """Share of the wordings an edit was fitted on that greedy decoding completes no more, 0 to 1 (Rel)."""
    gen: float
    """Share of the wordings that verification alone sees that greedy decoding completes no more, 0 to 1 (Gen)."""
    percentile: float | None
    """Share (0 to 100) of the fact's decoys that are more exposed: 0 is worst, near 50 is chance."""
    exposed: bool
    """Whether the fact stands below the policy's percentile of decoys."""
    extractable: bool
    """Whether the policy's samples leak it with the policy's probability, at any wording and decoding."""
    bits: float
    """Worst-case bits of the fact at its most exposed wording."""


class Point(Part):
    """One arm at one operating point, measured by verification's questions and held-out text."""

    point: PointName
    scale: float
    """Factor by which the edit's change of weights was multiplied to get here; 1 where it was left as it is."""
    settings: dict[str, float]
    """Searched settings of the trial that was taken."""
    norm: float
    """‖ΔW‖_F."""
    collateral: float
    """Mean KL(original || edited) in nats/token on retained text of the locating split: what is matched."""
    facts: tuple[FactOutcome, ...]
    others: Rate
    """Questions about other people answered greedily before and after, of those answered before (Loc)."""
    others_kept: str
    """Digit for each question answered before: 1 if it is answered after, else 0; the same ones for all arms."""
    same_subject: Rate
    """Questions about the same people's other facts, counted as `others` is."""
    perplexity_rise: float
    """Relative rise of perplexity on held-out retained text; 0.01 is one per cent."""
    forget_quality: float | None = Field(default=None, exclude_if=lambda p: p is None)
    """p of the test of erased facts against decoys (`editor.measuring.forgetting`); None where it was not tested."""
    attacks: tuple[AttackRow, ...] = ()
    """What came back after each attack; empty at operating points that are not attacked."""
    meets_policy: bool
    """Whether every criterion of the policy was tested that it states a limit for, and none fails."""
    failed: tuple[str, ...] = ()
    """Measures of the policy that are not met."""
    untested: tuple[str, ...] = ()
    """Measures of the policy that had nothing to count."""

    @model_validator(mode="before")
    @classmethod
    def _attacks_once_had_fields(cls, data: Any) -> Any:
        """Read comparisons from before the list of attacks."""
        rest, former = _former_attacks(
            data, lambda row, value: {**row, "greedy_facts": value, "worst_case_bits_median": None}
        )
        tried = [row for row in former if row["greedy_facts"]["total"]]
        return {**rest, "attacks": tried} if former else data


class Editing(Part):
    """Weights that an arm's edit, tuned to the policy, changed."""

    located: dict[str, tuple[int, ...]]
    """Site -> the located units, best first; empty where the method locates nothing."""
    modules: dict[str, float]
    """Parameter -> ‖ΔW‖_F."""
    neurons: dict[str, tuple[float, ...]]
    """MLP layer (its hidden site, such as mlp_hidden.3) -> for each neuron, the norm of the change of its weights."""


class ArmRun(Part):
    """One arm with one seed."""

    arm: str
    family: MethodFamily
    seed: int
    trials: tuple[TrialRow, ...]
    points: tuple[Point, ...]
    editing: Editing


class Cost(Part):
    """Time and memory that one arm took with one seed, on the machine that ran it."""

    arm: str
    seed: int
    processes: int
    """Number of arms that ran at a time."""
    threads: int
    device: str
    locating_s: float
    """Seconds of finding the units: its discovery cost; dictionaries that were given cost nothing here."""
    dictionaries_s: float
    """Seconds of training dictionaries for it, where none were given; shared by all arms that use them."""
    tuning_s: float
    """Seconds of all trials, fits and judging, less locating."""
    fitting_s: float
    """Seconds of one fit: the chosen trial's."""
    measuring_s: float
    """Seconds of verification at all operating points."""
    peak_mib: float
    """Most resident memory of the arm's process, or of the GPU where there is one, in MiB."""


class Interval(Part):
    """A mean with its ends: of a 95% bootstrap interval, or the least and the most of the seeds."""

    mean: float
    low: float
    high: float


class SummaryRow(Part):
    """One arm at one operating point over all seeds; None where nothing was tested.

    Intervals of rel, gen, exposed and extractable are from a bootstrap over facts, seeds averaged; that of loc from
    one over questions, drawn together in all seeds. All others are the least and the most of the seeds.
    """

    arm: str
    family: MethodFamily
    point: PointName
    seeds: int
    rel: Interval
    gen: Interval
    loc: Interval | None
    exposed: Interval
    extractable: Interval
    same_subject: Interval | None
    perplexity_rise: Interval
    forget_quality: Interval | None = Field(default=None, exclude_if=lambda p: p is None)
    """p of the test of erased facts against decoys; None where it was not tested."""
    attacks: dict[str, Interval | None] = Field(default_factory=dict)
    """Attack -> share of facts that leak after it; None where it was not tested."""
    bits: float
    """Median worst-case bits over facts and seeds."""
    norm: float
    """Mean ‖ΔW‖_F over seeds."""
    collateral: float
    """Mean collateral over seeds, in nats/token."""
    meets_policy: int
    """Number of seeds in which the policy is met."""
    untested: tuple[str, ...] = ()
    """Measures of the policy that had nothing to count in any seed."""

    @model_validator(mode="before")
    @classmethod
    def _attacks_once_had_fields(cls, data: Any) -> Any:
        """Read comparisons from before the table of attacks."""
        rest, former = _former_attacks(data, lambda row, value: (row["attack"], value))
        return {**rest, "attacks": dict(former)} if former else data


class PairedTest(Part):
    """The reference arm against another on the same facts, at one operating point."""

    point: PointName
    measure: ComparedMeasure
    arm: str
    difference: Interval
    """Reference less the other arm, better is positive for gen and bits, negative for exposed."""
    p: float
    """Two-sided p of a sign-flip permutation test over facts, seeds averaged."""
    p_holm: float
    """The p corrected by Holm's method for all arms compared at this point by this measure."""


class Overlap(Part):
    """Overlap of the neurons that two arms changed."""

    first: str
    second: str
    jaccard: float
    """Jaccard index of the most changed neurons of both (`statistics.MOST_CHANGED`), a mean over seeds, 0 to 1."""


class Comparison(Part):
    """All arms over all seeds, and what follows from them."""

    version: int = COMPARISON_VERSION
    case: str
    command: str
    versions: dict[str, str]
    policy: PolicySummary
    model: ModelSummary
    scope: Scope
    reference: str
    seeds: tuple[int, ...]
    trials: int
    """Number of search trials, for each arm and seed."""
    original: tuple[FactOutcome, ...] = ()
    """Facts before any edit; not all wordings need be completed then."""
    arms: tuple[ArmRun, ...]
    summary: tuple[SummaryRow, ...]
    tests: tuple[PairedTest, ...]
    overlaps: tuple[Overlap, ...]
    verdict: str
    """One plain sentence: what won, and whether the difference is significant."""

    def _repr_html_(self) -> str:
        rows = [
            (
                row.arm,
                POINTS[row.point],
                *(f"{one.mean:.1%}" for one in (row.gen, row.exposed)),
                f"{row.meets_policy}",
            )
            for row in self.summary
        ]
        header = (
            "arm",
            "operating point",
            "unseen wordings forgotten",
            "exposed",
            "seeds that meet the policy",
        )
        return show_table(self.verdict, header, rows)

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, two spaces, a newline at the end."""
        data = self.model_dump(mode="json", exclude_computed_fields=True)
        return json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Comparison":
        """Read what `to_json` wrote."""
        return cls.model_validate_json(text)
