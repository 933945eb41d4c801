"""Forget quality: whether erased facts can be told from never-seen ones, by the figures that it follows from."""

from typing import Literal

from editor.results.parts import Part, Rate

Against = Literal["reference", "decoys"]
"""What erased facts are compared with: the same facts in a never-seen model, or decoys in the same model."""


class ForgottenFact(Part):
    """One erased fact among never-seen ones, by its keyed label."""

    fact: str
    log_truth_ratio: float
    """ln R, a mean over wordings: below 0 the fact is likelier than its decoys, above 0 less likely."""
    percentile: float | None = None
    """Share (0 to 100) of never-seen ratios below, ties counted half: 0 is likelier than all of them, 100 less."""


class Reference(Part):
    """Model that never saw the facts."""

    source: str
    digest: str


class ForgetQuality(Part):
    """Two-sample Kolmogorov-Smirnov test of truth ratios, and the facts outside the spread of never-seen ones.

    Everything from `level` on follows from what stands before it and the policy (`editor.measuring.forgetting`).
    """

    against: Against
    reference: Reference | None = None
    facts: tuple[ForgottenFact, ...]
    never_seen: tuple[float, ...]
    """ln R of what was never seen, in rising order."""
    unscored: int
    """Number of facts whose ratio is no number in the edited model."""
    level: float = 0.05
    """Level of significance: the policy's `forget_quality`, or 0.05."""
    statistic: float | None = None
    """Largest difference of the two distribution functions, 0 to 1; None where there is nothing to compare."""
    p: float | None = None
    """Two-sided p of the test."""
    smallest_difference: float | None = None
    """Smallest statistic that so many facts could have shown at that level; above 1, none could."""
    tested: bool = False
    """Whether every fact was scored, and so many could have shown a difference of a half."""
    spread: tuple[float, float] | None = None
    """ln R between which never-seen facts lie, but for the policy's percentile on either side; None for too few."""
    more_likely: Rate = Rate(hits=0, total=0)
    """Facts below the spread: a trace that they were known."""
    less_likely: Rate = Rate(hits=0, total=0)
    """Facts above it: a trace that they were erased."""
    by_chance: int = 0
    """Most facts outside the spread, both sides together, in 19 of 20 models that never saw them."""

    @property
    def outside(self) -> int:
        """Number of facts outside the spread, on either side."""
        return self.more_likely.hits + self.less_likely.hits
