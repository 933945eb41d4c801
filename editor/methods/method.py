"""What every edit method is."""

from typing import ClassVar, NamedTuple, Protocol

from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods.shared.searching import SearchSpace


class Control(NamedTuple):
    """An edit that a method is told from."""

    method: "Method"
    title: str
    """Control in words."""


class Method(Protocol):
    """Edit method: it fits an edit to a problem and leaves the model as it was, bit for bit.

    Attributes:
        name: name in `METHODS` and in reports.
        needs_dictionary: whether the problem must have dictionaries and their attribution.
        space: settings that a search varies.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool]
    space: ClassVar[SearchSpace]

    @property
    def units(self) -> int:
        """Number of located units taken at most; 0 where the method locates nothing."""
        ...

    def located(self, problem: EditProblem) -> Attribution:
        """Return where the facts sit, as the method sees it."""
        ...

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit."""
        ...

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return what the method is told from: first itself on units drawn at random.

        A method without units has none of its own: it is told from random directions.

        Args:
            norm: ‖ΔW‖_F that the control by chance is scaled to.
            seed: seed of what is drawn.
        """
        ...
