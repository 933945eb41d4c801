"""Edits of single neurons: their columns in the MLP's output projection, and nothing else."""

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor

from dictionaries.model.sites import Site
from editor.editing.edit import Delta
from editor.methods.problem import EditProblem


def without_columns(
    problem: EditProblem, neurons: Mapping[Site, Int[Tensor, " units"]], strength: float = 1.0
) -> dict[str, Delta]:
    """Return the change that takes neurons' columns away: what they write is gone, whatever their activation.

    Args:
        problem: names the model.
        neurons: by mlp_hidden site.
        strength: 1 sets a column to zero, bit for bit; 2 turns it round.
    """
    deltas = {}
    for site, units in neurons.items():
        if not len(units):
            continue
        name, transposed = problem.parameter(Site(site.layer))
        weight = problem.loaded.model.get_parameter(name).detach().float().cpu()
        width = weight.shape[0] if transposed else weight.shape[1]
        chosen = torch.zeros(len(units), width)
        chosen[torch.arange(len(units)), units] = 1.0
        if transposed:
            deltas[name] = Delta(left=chosen.T.contiguous(), right=-strength * weight[units])
        else:
            deltas[name] = Delta(left=-strength * weight[:, units], right=chosen)
    return deltas
