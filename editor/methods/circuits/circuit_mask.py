"""Fine-tuning inside the weights that a weight mask keeps (`editor.locators.weight_mask`)."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from editor.locators.blocks import Masks
from editor.locators.features import Attribution
from editor.locators.problem import NOTHING_LOCATED, EditProblem
from editor.locators.weight_mask import WeightMask
from editor.methods.circuits.circuit import CircuitMethod


@dataclass(frozen=True, kw_only=True)
class CircuitMask(CircuitMethod):
    """Erase by changing the weights that the facts need alone.

    Attributes:
        density: the share of the block weights; the locator searches a mask of this size, whatever its `densities`.
        locator: how they are found.
    """

    name: ClassVar[str] = "circuit-mask"

    density: float = 0.25
    locator: WeightMask = field(default_factory=WeightMask)

    @property
    def units(self) -> int:
        """No units: a mask is over single weights."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Nothing that could be ranked by site."""
        return NOTHING_LOCATED

    def circuit(self, problem: EditProblem) -> Masks:
        """The mask of the density."""
        locator = replace(self.locator, densities=(self.density,))
        return problem.once(locator, lambda: locator.search(problem)).masks[self.density]
