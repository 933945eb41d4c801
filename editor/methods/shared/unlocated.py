"""Base of methods that edit without asking where the facts sit."""

from editor.locators.features import Attribution
from editor.locators.problem import NOTHING_LOCATED, EditProblem


class Unlocated:
    """A method that ranks no units."""

    @property
    def units(self) -> int:
        """Number of located units: none."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Return an attribution without sites."""
        return NOTHING_LOCATED

    def controls(self, norm: float, seed: int) -> tuple[()]:  # noqa: ARG002
        """Return none: without units, random directions are what the method is told from."""
        return ()
