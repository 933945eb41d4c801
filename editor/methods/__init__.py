"""Edit methods, one a file. A new one is a file and an entry in `METHODS`."""

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
from editor.methods.weights.grad_ascent import GradAscent
from editor.methods.weights.memit import Memit
from editor.methods.weights.npo_lora import NpoLora

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
