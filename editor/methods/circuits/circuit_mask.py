"""Fine-tuning inside the weights that a weight mask keeps (`editor.locators.weight_mask`)."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from editor.locators.blocks import Masks
from editor.locators.features import Attribution
from editor.locators.kept import masks_on
from editor.locators.problem import NOTHING_LOCATED, EditProblem
from editor.locators.weight_mask import WeightMask
from editor.methods.circuits.circuit import CircuitMethod


@dataclass(frozen=True, kw_only=True)
class CircuitMask(CircuitMethod):
    """Method that changes the weights that the facts need, and no others.

    Attributes:
        density: share of the block weights; the locator searches a mask of this size, whatever its `densities`.
        locator: search for those weights.
    """

    name: ClassVar[str] = "circuit-mask"

    density: float = 0.25
    locator: WeightMask = field(default_factory=WeightMask)

    @property
    def units(self) -> int:
        """Number of located units: none, since a mask is over single weights."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Return an attribution without sites: single weights are not ranked by site."""
        return NOTHING_LOCATED

    def circuit(self, problem: EditProblem) -> Masks:
        """Return the mask of the density. The model must be the original one."""
        # The search trains a mask, so equal locators share one.
        locator = replace(self.locator, densities=(self.density,))
        form = masks_on(problem.loaded.device)
        return problem.once(
            locator,
            lambda: problem.keep("masks", locator, form, lambda: locator.search(problem).masks[self.density]),
        )
