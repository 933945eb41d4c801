"""The arms of a comparison: every edit method, and controls that change as much at random."""

from collections.abc import Mapping
from dataclasses import dataclass

from editor.methods.circuits.circuit_mask import CircuitMask
from editor.methods.circuits.circuit_mlp import CircuitMlp
from editor.methods.circuits.circuit_node import CircuitNode
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.feature_literal import FeatureLiteral
from editor.methods.features.pisces import Pisces
from editor.methods.features.random_features import RandomFeatures
from editor.methods.method import Method
from editor.methods.neurons.neuron_depn import NeuronDepn
from editor.methods.neurons.neuron_kn import NeuronKn
from editor.methods.neurons.neuron_probe import NeuronProbe
from editor.methods.neurons.random_neurons import RandomNeurons
from editor.methods.shared.settings import with_seed
from editor.methods.weights.grad_ascent import GradAscent
from editor.methods.weights.memit import Memit
from editor.methods.weights.npo_lora import NpoLora
from editor.results.names import MethodFamily


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm.

    Attributes:
        method: the first trial's settings.
        family: what it edits.
        title: what it does, in one sentence.
    """

    method: Method
    family: MethodFamily
    title: str

    def with_seed(self, seed: int) -> Method:
        """The method with everything random in it drawn by a seed."""
        return with_seed(self.method, seed)


REFERENCE = FeatureEdit.name
ARMS: Mapping[str, Arm] = {
    FeatureEdit.name: Arm(
        method=FeatureEdit(),
        family="features",
        title="takes located features out at the tokens that recall the secrets, by keyed least squares",
    ),
    FeatureLiteral.name: Arm(
        method=FeatureLiteral(),
        family="features",
        title="zeroes the weights by which active neurons write located features",
    ),
    Pisces.name: Arm(
        method=Pisces(),
        family="features",
        title="turns located features round in the neurons that write them",
    ),
    NeuronKn.name: Arm(
        method=NeuronKn(), family="neurons", title="sets the columns of knowledge neurons to zero"
    ),
    NeuronDepn.name: Arm(
        method=NeuronDepn(), family="neurons", title="sets the columns of privacy neurons (DEPN) to zero"
    ),
    NeuronProbe.name: Arm(
        method=NeuronProbe(), family="neurons", title="holds the neurons of a sparse probe at their mean"
    ),
    CircuitNode.name: Arm(
        method=CircuitNode(),
        family="circuits",
        title="fine-tunes inside the heads and MLPs that node attribution finds",
    ),
    CircuitMask.name: Arm(
        method=CircuitMask(),
        family="circuits",
        title="fine-tunes inside the weights that a trained mask keeps",
    ),
    CircuitMlp.name: Arm(
        method=CircuitMlp(), family="circuits", title="fine-tunes inside the MLPs that look the facts up"
    ),
    Memit.name: Arm(
        method=Memit(),
        family="weights",
        title="writes an unknown answer at the subject's last token into several MLPs, in closed form",
    ),
    NpoLora.name: Arm(
        method=NpoLora(), family="weights", title="negative preference optimisation through a LoRA adapter"
    ),
    GradAscent.name: Arm(
        method=GradAscent(), family="weights", title="gradient ascent on the secrets through a LoRA adapter"
    ),
    RandomFeatures.name: Arm(
        method=RandomFeatures(), family="random", title="feature-edit on features drawn at random"
    ),
    RandomNeurons.name: Arm(
        method=RandomNeurons(), family="random", title="as many neurons drawn at random set to zero"
    ),
    "random-circuit": Arm(
        method=CircuitNode(part="random"),
        family="random",
        title="fine-tunes inside as many weights of each kind of module drawn at random",
    ),
}
"""By name, in the order of tables."""
