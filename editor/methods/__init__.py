"""Edit methods by name: a new one is a file in the folder of its family and a line in `METHODS`.

The command line, the arms of a comparison and the contract tests come from the table. Importing it imports no
method and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from editor.entries import load_object
from editor.results.names import MethodFamily

if TYPE_CHECKING:
    from editor.methods.method import Method


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """One edit method, or one control by chance.

    Attributes:
        name: Name on the command line and in reports.
        path: Module and class under `editor.methods`, as `family.module:Class`.
        family: What the method edits; `random` for controls, which the command line does not offer for erasing.
        title: What the method does, in one sentence.
        writes_sites: Whether it changes projections that write an MLP's or attention's output; else any layer.
        edits_experts: Whether it changes those of a mixture of experts too.
        settings: Settings that the class is made with.
    """

    name: str
    path: str
    family: MethodFamily
    title: str
    writes_sites: bool = True
    edits_experts: bool = False
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def make(self, **settings: Any) -> "Method":
        """Import the class and return the method, with other settings where they are given."""
        method: Method = load_object(f"editor.methods.{self.path}")(**{**self.settings, **settings})
        return method


METHODS: Mapping[str, MethodEntry] = {
    entry.name: entry
    for entry in (
        MethodEntry(
            name="feature-edit",
            path="features.feature_edit:FeatureEdit",
            family="features",
            title="changes what writes located features where secrets are recalled, by descent",
            edits_experts=True,
        ),
        MethodEntry(
            name="feature-least-squares",
            path="features.least_squares:FeatureLeastSquares",
            family="features",
            title="takes located features out at the tokens that recall the secrets, by keyed least squares",
        ),
        MethodEntry(
            name="feature-literal",
            path="features.feature_literal:FeatureLiteral",
            family="features",
            title="zeroes the weights by which active neurons write located features",
        ),
        MethodEntry(
            name="pisces",
            path="features.pisces:Pisces",
            family="features",
            title="flips the sign of located features in the neurons that write them",
        ),
        MethodEntry(
            name="neuron-kn",
            path="neurons.neuron_kn:NeuronKn",
            family="neurons",
            title="sets the columns of knowledge neurons to zero",
        ),
        MethodEntry(
            name="neuron-depn",
            path="neurons.neuron_depn:NeuronDepn",
            family="neurons",
            title="sets the columns of privacy neurons (DEPN) to zero",
        ),
        MethodEntry(
            name="neuron-probe",
            path="neurons.neuron_probe:NeuronProbe",
            family="neurons",
            title="holds the neurons of a sparse probe at their mean",
        ),
        MethodEntry(
            name="circuit-node",
            path="circuits.circuit_node:CircuitNode",
            family="circuits",
            title="fine-tunes inside the heads and MLPs that node attribution finds",
        ),
        MethodEntry(
            name="circuit-mask",
            path="circuits.circuit_mask:CircuitMask",
            family="circuits",
            title="fine-tunes inside the weights that a trained mask keeps",
        ),
        MethodEntry(
            name="circuit-mlp",
            path="circuits.circuit_mlp:CircuitMlp",
            family="circuits",
            title="fine-tunes inside the MLPs that look the facts up",
        ),
        MethodEntry(
            name="memit",
            path="weights.memit:Memit",
            family="weights",
            title="writes an unknown answer at the subject's last token into several MLPs, in closed form",
        ),
        MethodEntry(
            name="npo-lora",
            path="weights.npo_lora:NpoLora",
            family="weights",
            title="negative preference optimisation through a LoRA adapter",
            writes_sites=False,
        ),
        MethodEntry(
            name="grad-ascent",
            path="weights.grad_ascent:GradAscent",
            family="weights",
            title="gradient ascent on the secrets through a LoRA adapter",
            writes_sites=False,
        ),
        MethodEntry(
            name="random-features",
            path="features.random_features:RandomFeatures",
            family="random",
            title="feature-edit on features drawn at random",
            edits_experts=True,
        ),
        MethodEntry(
            name="random-neurons",
            path="neurons.random_neurons:RandomNeurons",
            family="random",
            title="as many neurons drawn at random set to zero",
        ),
        MethodEntry(
            name="random-circuit",
            path="circuits.circuit_node:CircuitNode",
            family="random",
            title="fine-tunes inside as many weights of each kind of module drawn at random",
            settings={"part": "random"},
        ),
    )
}
"""By name, in the order of tables."""
