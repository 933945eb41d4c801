"""What the circuit arms share: locate a part of the model, and fine-tune inside it, its complement or a random part."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from editor.editing.edit import Edit
from editor.locators.blocks import Masks
from editor.locators.circuit_parts import Part, part_of
from editor.locators.features import Attribution
from editor.methods.circuit_tuning import Tuning
from editor.methods.problem import EditProblem
from editor.methods.settings import flattened


@dataclass(frozen=True, kw_only=True)
class CircuitMethod(ABC):
    """Fine-tunes a located part of the weights; subclasses say which.

    Attributes:
        part: the circuit, all other block weights, or as many of each module kind at random.
        part_seed: of the random part.
        tuning: how it is fine-tuned; `margin_nats` is its strength.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool] = False

    part: Part = "circuit"
    part_seed: int = 0
    tuning: Tuning = field(default_factory=Tuning)

    @property
    def units(self) -> int:
        """How many located units reports list at most."""
        return 12

    def tuned(self, **settings: Any) -> Self:
        """The same method with other settings, its own (density, layers ...) or its tuning's, by name.

        What a search would vary: `margin_nats` (0 to 8), `learning_rate` (1e-4 to 1e-3), `retain` (5 to 100) and the
        circuit's size.
        """
        own = {item.name for item in fields(self)}
        inner = replace(self.tuning, **{name: value for name, value in settings.items() if name not in own})
        outer = {name: value for name, value in settings.items() if name in own}
        return replace(self, **{"tuning": inner, **outer})

    @abstractmethod
    def located(self, problem: EditProblem) -> Attribution:
        """Where the facts sit, as the method sees it."""

    @abstractmethod
    def circuit(self, problem: EditProblem) -> Masks:
        """The located part of the weights. The model must be the original one."""

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        masks = part_of(problem.loaded.model, self.circuit(problem), self.part, self.part_seed)
        deltas = self.tuning.fit(problem, masks)
        named = self.name if self.part == "circuit" else f"{self.name}-{self.part}"
        return Edit(deltas=deltas, method=named, settings=flattened(asdict(self)))
