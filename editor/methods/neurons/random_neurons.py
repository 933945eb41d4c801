"""Control: neurons drawn at random, at the same ‖ΔW‖."""

from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from dictionaries.model.sites import Site
from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.methods.method import Control
from editor.methods.neurons.neuron_columns import NEURON_SPACE, without_columns
from editor.methods.neurons.neuron_depn import NeuronDepn
from editor.methods.neurons.neuron_kn import NeuronKn
from editor.methods.neurons.neuron_probe import NeuronProbe
from editor.methods.shared.searching import SearchSpace


@dataclass(frozen=True, kw_only=True)
class RandomNeurons:
    """Control: as many neurons a layer taken out, drawn uniformly from those that are not located, at a given norm.

    Attributes:
        like: method whose neuron counts are copied.
        norm: ‖ΔW‖_F to scale to; None leaves what `like`'s strength makes of the columns.
        seed: seed that the neurons are drawn by.
    """

    name: ClassVar[str] = "random-neurons"
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = NEURON_SPACE

    like: NeuronKn | NeuronDepn | NeuronProbe = field(default_factory=NeuronKn)
    norm: float | None = None
    seed: int = 0

    @property
    def units(self) -> int:
        """Largest number of neurons drawn."""
        return self.like.units

    def located(self, problem: EditProblem) -> Attribution:
        """Return the draw."""
        generator = torch.Generator().manual_seed(self.seed)
        true = self.like.located(problem)
        scores: dict[Site, Tensor] = {}
        for site, units in true.top(self.units).items():
            others = torch.ones_like(true.raw[site], dtype=torch.bool)
            others[units] = False
            free = others.nonzero()[:, 0]
            scores[site] = torch.zeros_like(true.raw[site])
            scores[site][free[torch.randperm(len(free), generator=generator)[: len(units)]]] = 1.0
        return replace(true, scores=scores)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        deltas = without_columns(problem, self.located(problem).top(self.units), self.like.strength)
        settings = flattened({"seed": self.seed, "norm": self.norm, "like": asdict(self.like)})
        edit = Edit(deltas=deltas, method=self.name, settings=settings)
        return edit if self.norm is None or edit.is_empty else edit.scaled(self.norm / edit.norm)

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:  # noqa: ARG002
        """Return none: this is a control itself."""
        return ()
