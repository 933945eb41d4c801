"""Where an edit changed the weights: by parameter, and by neuron of each MLP."""

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import Site
from editor.edits.edit import Edit
from editor.locators.blocks import block_weights
from editor.locators.problem import EditProblem
from editor.methods.method import Method
from editor.results.comparison import Editing

LOCATED_KEPT = 200


def editing_map(problem: EditProblem, method: Method, edit: Edit) -> Editing:
    """Describe where an edit changed the weights."""
    located = method.located(problem).top(min(LOCATED_KEPT, method.units)) if method.units else {}
    return Editing(
        located={str(site): tuple(units.tolist()) for site, units in located.items() if len(units)},
        modules={name: delta.squared_norm() ** 0.5 for name, delta in sorted(edit.deltas.items())},
        neurons={
            str(Site(layer, "mlp_hidden")): tuple(float(f"{value:.3g}") for value in norms.tolist())
            for layer, norms in neuron_norms(problem, edit).items()
        },
    )


def neuron_norms(problem: EditProblem, edit: Edit) -> dict[int, Float[Tensor, " m"]]:
    """Return for each layer with a changed MLP the norm of the change of each neuron's weights, in and out, (m,)."""
    model = problem.loaded.model
    squares: dict[int, Tensor] = {}
    for weight in block_weights(model):
        delta = edit.deltas.get(weight.name)
        if delta is None or weight.kind not in ("MLP in", "MLP out") or len(weight.shape) != 2:
            continue
        dense = delta.dense()
        transposed = isinstance(model.get_submodule(weight.name.rpartition(".")[0]), Conv1D)
        outputs_first = dense.T if transposed else dense
        by_neuron = outputs_first.pow(2).sum(0 if weight.kind == "MLP out" else 1)
        neurons = _neurons(problem, weight.layer)
        # Gate and up projections that are stored in one have two rows a neuron.
        folded = by_neuron.view(-1, neurons).sum(0)
        squares[weight.layer] = squares.get(weight.layer, torch.zeros(neurons)) + folded
    return {layer: total.sqrt() for layer, total in sorted(squares.items()) if bool(total.any())}


def _neurons(problem: EditProblem, layer: int) -> int:
    """Return how many neurons a layer's MLP has."""
    name, transposed = problem.parameter(Site(layer))
    rows, columns = problem.loaded.model.get_parameter(name).shape
    return int(rows if transposed else columns)
