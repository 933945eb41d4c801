"""What methods share that edit without asking where the facts sit."""

from editor.locators.features import Attribution
from editor.locators.problem import NOTHING_LOCATED, EditProblem


class Unlocated:
    """A method that ranks no units."""

    @property
    def units(self) -> int:
        """None are located."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Nowhere."""
        return NOTHING_LOCATED

    def controls(self, norm: float, seed: int) -> tuple[()]:  # noqa: ARG002
        """Return none: without units, random directions are what the method is told from."""
        return ()
