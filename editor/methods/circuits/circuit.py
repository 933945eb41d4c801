"""Base of the circuit methods: locate a part of the model, and fine-tune inside it, its complement or a random part."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from editor.edits.edit import Edit
from editor.locators.blocks import Masks
from editor.locators.circuit_parts import CircuitPart, part_of
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.methods.circuits.circuit_tuning import CircuitTuning
from editor.methods.method import Control
from editor.methods.shared.searching import Range, SearchSpace

RANDOM_CIRCUIT = "random-circuit"
"""Method name of edits of a random part, whatever the circuit is that they are as large as."""
CIRCUIT_SPACE = SearchSpace(
    ranges={
        "margin_nats": Range(low=0.0, high=8.0),
        "learning_rate": Range(low=1e-4, high=1e-3, log=True),
        "retain": Range(low=5.0, high=100.0, log=True),
    },
    strength="margin_nats",
    stronger=2.0,
    gentler=-1.0,
    holding="retain",
    firmer=3.0,
)


@dataclass(frozen=True, kw_only=True)
class CircuitMethod(ABC):
    """Method that fine-tunes a located part of the weights; subclasses say which.

    Attributes:
        part: part to fine-tune: the circuit, all other block weights, or as many of each module kind at random.
        part_seed: seed that a random part is drawn by.
        tuning: settings of the fine-tuning; `margin_nats` is its strength.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = CIRCUIT_SPACE

    part: CircuitPart = "circuit"
    part_seed: int = 0
    tuning: CircuitTuning = field(default_factory=CircuitTuning)

    @property
    def units(self) -> int:
        """Largest number of located units that reports list."""
        return 12

    @abstractmethod
    def located(self, problem: EditProblem) -> Attribution:
        """Return where the facts sit, as the method sees it."""

    @abstractmethod
    def circuit(self, problem: EditProblem) -> Masks:
        """Return the located part of the weights. The model must be the original one."""

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        # M: the circuit, what is left of the blocks, or a random part of the circuit's make-up.
        masks = part_of(problem.loaded.model, self.circuit(problem), self.part, self.part_seed)
        deltas = self.tuning.fit(problem, masks)
        return Edit(deltas=deltas, method=self._name_edit(), settings=flattened(self._settings()))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:  # noqa: ARG002
        """Return as many weights of each kind of module drawn at random; a random part has no control of its own."""
        if self.part != "circuit":
            return ()
        return (
            Control(
                replace(self, part="random", part_seed=seed),
                "as many weights of each kind of module drawn at random, fine-tuned in the same way",
            ),
        )

    def _name_edit(self) -> str:
        """Return the edit's method name, which tells the parts apart."""
        if self.part == "random":
            return RANDOM_CIRCUIT
        return self.name if self.part == "circuit" else f"{self.name}-{self.part}"

    def _settings(self) -> dict[str, Any]:
        """Return the settings; those of a part that is not the circuit say whose circuit it was drawn by."""
        like = {} if self.part == "circuit" else {"like": self.name}
        return {**asdict(self), **like}
