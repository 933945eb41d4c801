"""Edits of single neurons: their columns in the MLP's output projection, and nothing else."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from dictionaries.model.sites import Site
from editor.edits.edit import Delta, Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem, Locator
from editor.locators.settings import flattened
from editor.methods import METHODS
from editor.methods.method import Control
from editor.methods.shared.searching import Range, SearchSpace

RANDOM_NEURONS = "as many neurons a layer drawn at random, scaled to the same ‖ΔW‖"
NEURON_SPACE = SearchSpace(
    ranges={
        "units": Range(low=10, high=1000, log=True, whole=True),
        "strength": Range(low=0.5, high=3.0),
    },
    strength="units",
    stronger=2.5,
    gentler=0.4,
)


@dataclass(frozen=True, kw_only=True)
class NeuronColumns:
    """Method that takes out the neurons that a locator scores highest; subclasses say which locator.

    Attributes:
        units: largest number of neurons, over all layers.
        strength: multiple of their columns that is subtracted; 1 sets them to zero.
        locator: search for those neurons.
    """

    name: ClassVar[str]
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = NEURON_SPACE

    units: int = 100
    strength: float = 1.0
    locator: Locator

    def located(self, problem: EditProblem) -> Attribution:
        """Return the neurons' attribution."""
        return problem.located(self.locator)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        chosen = self.located(problem).top(self.units)
        deltas = without_columns(problem, chosen, self.strength)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return as many neurons a layer drawn at random."""
        return (Control(METHODS["random-neurons"].make(like=self, norm=norm, seed=seed), RANDOM_NEURONS),)


def without_columns(
    problem: EditProblem, neurons: Mapping[Site, Int[Tensor, " units"]], strength: float = 1.0
) -> dict[str, Delta]:
    """Return the change that takes neurons' columns away: what they write is gone, whatever their activation.

    Args:
        problem: source of the model and of its parameters' names.
        neurons: neurons' numbers, by mlp_hidden site.
        strength: multiple of a column that is subtracted: 1 sets it to zero, bit for bit; 2 flips its sign.

    Returns:
        The change by the name of each output projection's weight, of as high a rank as it has neurons.
    """
    deltas = {}
    for site, units in neurons.items():
        if not len(units):
            continue
        name, transposed = problem.parameter(Site(site.layer))
        # W in float32, (d, m), or its transpose where it is stored so; m is the number of neurons.
        weight = problem.loaded.model.get_parameter(name).detach().float().cpu()
        width = weight.shape[0] if transposed else weight.shape[1]
        # One-hot rows e_i, so that ΔW = -strength Σ_i W e_i e_iᵀ changes no other column.
        chosen = torch.zeros(len(units), width)
        chosen[torch.arange(len(units)), units] = 1.0
        if transposed:
            deltas[name] = Delta(left=chosen.T.contiguous(), right=-strength * weight[units])
        else:
            deltas[name] = Delta(left=-strength * weight[:, units], right=chosen)
    return deltas
