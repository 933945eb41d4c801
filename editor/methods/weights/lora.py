"""Base of the methods that fine-tune all linear layers through a LoRA adapter: they differ in how they forget."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from editor.edits.edit import Edit
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.unlocated import Unlocated
from editor.methods.weights.lora_tuning import Forget, LoraTuning


@dataclass(frozen=True, kw_only=True)
class LoraMethod(Unlocated, ABC):
    """Method that fine-tunes through an adapter; subclasses say by which loss.

    Attributes:
        tuning: settings of the fine-tuning.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "learning_rate": Range(low=1e-4, high=5e-3, log=True),
            "retain": Range(low=0.3, high=30.0, log=True),
            "steps": Range(low=20, high=200, log=True, whole=True),
        },
        strength="learning_rate",
        stronger=2.0,
        gentler=0.5,
    )

    tuning: LoraTuning = field(default_factory=LoraTuning)

    @property
    @abstractmethod
    def forget(self) -> Forget:
        """Loss over the secrets; the retaining term is the tuning's."""

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        deltas = self.tuning.fit(problem, self.forget)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))
