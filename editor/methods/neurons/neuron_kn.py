"""Erasing by knowledge neurons (Dai et al. 2022, arXiv:2104.08696): their columns are set to zero."""

from dataclasses import dataclass, field
from typing import ClassVar

from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.methods.neurons.neuron_columns import NeuronColumns


@dataclass(frozen=True, kw_only=True)
class NeuronKn(NeuronColumns):
    """Method that takes out the neurons that most wordings of a fact share, the highest attributions first."""

    name: ClassVar[str] = "neuron-kn"

    locator: KnowledgeNeurons = field(default_factory=KnowledgeNeurons)
