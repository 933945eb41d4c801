"""DEPN (Wu et al. 2023, arXiv:2310.20138): privacy neurons, whose activations it sets to zero, lose their columns."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

from editor.editing.edit import Edit
from editor.locators.features import Attribution
from editor.locators.privacy_neurons import PrivacyNeurons
from editor.methods.neuron_columns import without_columns
from editor.methods.problem import EditProblem
from editor.methods.settings import flattened


@dataclass(frozen=True, kw_only=True)
class NeuronDepn:
    """Take out the neurons that most probes vote for.

    Attributes:
        units: how many of them at most, over all layers, those of most votes first.
        strength: 1 sets their columns to zero.
        locator: how they are found.
    """

    name: ClassVar[str] = "neuron-depn"
    needs_dictionary: ClassVar[bool] = False

    units: int = 100
    strength: float = 1.0
    locator: PrivacyNeurons = field(default_factory=PrivacyNeurons)

    def located(self, problem: EditProblem) -> Attribution:
        """The neurons' attribution."""
        return problem.located(self.locator)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        chosen = self.located(problem).top(self.units)
        deltas = without_columns(problem, chosen, self.strength)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))
