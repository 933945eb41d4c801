"""What every edit method is."""

from typing import ClassVar, Protocol

from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods.shared.searching import SearchSpace


class Method(Protocol):
    """Fits an edit to a problem and leaves the model as it was, bit for bit.

    Attributes:
        name: in `METHODS` and in reports.
        needs_dictionary: whether the problem must have dictionaries and their attribution.
        space: the settings that a search varies.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool]
    space: ClassVar[SearchSpace]

    @property
    def units(self) -> int:
        """How many located units are taken at most; 0 where the method locates nothing."""
        ...

    def located(self, problem: EditProblem) -> Attribution:
        """Where the facts sit, as the method sees it."""
        ...

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit."""
        ...
