"""Edit methods, one a file. A new one is a file and an entry in `METHODS`."""

from typing import ClassVar, Protocol

from editor.editing.edit import Edit
from editor.locators.features import Attribution
from editor.methods.circuit import CircuitMethod
from editor.methods.circuit_mask import CircuitMask
from editor.methods.circuit_mlp import CircuitMlp
from editor.methods.circuit_node import CircuitNode
from editor.methods.feature_edit import FeatureEdit
from editor.methods.feature_literal import FeatureLiteral
from editor.methods.grad_ascent import GradAscent
from editor.methods.memit import Memit
from editor.methods.neuron_depn import NeuronDepn
from editor.methods.neuron_kn import NeuronKn
from editor.methods.neuron_probe import NeuronProbe
from editor.methods.npo_lora import NpoLora
from editor.methods.pisces import Pisces
from editor.methods.problem import EditProblem
from editor.methods.random_features import RandomFeatures
from editor.methods.random_neurons import RandomNeurons
from editor.methods.searching import SearchSpace


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


METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        FeatureEdit,
        FeatureLiteral,
        Pisces,
        RandomFeatures,
        NeuronKn,
        NeuronDepn,
        NeuronProbe,
        RandomNeurons,
        Memit,
        GradAscent,
        NpoLora,
        CircuitNode,
        CircuitMask,
        CircuitMlp,
    )
}

__all__ = [
    "METHODS",
    "CircuitMask",
    "CircuitMethod",
    "CircuitMlp",
    "CircuitNode",
    "EditProblem",
    "FeatureEdit",
    "FeatureLiteral",
    "GradAscent",
    "Memit",
    "Method",
    "NeuronDepn",
    "NeuronKn",
    "NeuronProbe",
    "NpoLora",
    "Pisces",
    "RandomFeatures",
    "RandomNeurons",
]
