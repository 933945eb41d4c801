"""Erasing by knowledge neurons (Dai et al. 2022, arXiv:2104.08696): their columns are set to zero."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

from editor.editing.edit import Edit
from editor.locators.features import Attribution
from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.methods.neuron_columns import without_columns
from editor.methods.problem import EditProblem
from editor.methods.settings import flattened


@dataclass(frozen=True, kw_only=True)
class NeuronKn:
    """Take out the neurons that most wordings of a fact share.

    Attributes:
        units: how many of them at most, over all facts and layers, the highest attributions first.
        strength: 1 sets their columns to zero.
        locator: how they are found.
    """

    name: ClassVar[str] = "neuron-kn"
    needs_dictionary: ClassVar[bool] = False

    units: int = 100
    strength: float = 1.0
    locator: KnowledgeNeurons = field(default_factory=KnowledgeNeurons)

    def located(self, problem: EditProblem) -> Attribution:
        """The neurons' attribution."""
        return problem.located(self.locator)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        chosen = self.located(problem).top(self.units)
        deltas = without_columns(problem, chosen, self.strength)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))
