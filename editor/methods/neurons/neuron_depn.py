"""DEPN (Wu et al. 2023, arXiv:2310.20138): privacy neurons, whose activations it sets to zero, lose their columns."""

from dataclasses import dataclass, field
from typing import ClassVar

from editor.locators.privacy_neurons import PrivacyNeurons
from editor.methods.neurons.neuron_columns import NeuronColumns


@dataclass(frozen=True, kw_only=True)
class NeuronDepn(NeuronColumns):
    """Method that takes out the neurons that most probes vote for, those of most votes first."""

    name: ClassVar[str] = "neuron-depn"

    locator: PrivacyNeurons = field(default_factory=PrivacyNeurons)
