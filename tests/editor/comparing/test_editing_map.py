"""Where an edit changed the weights: each neuron's own weights, however a family stores them."""

import pytest
import torch
from people import people_problem

from dictionaries.model.sites import Site, decoder_layers
from editor.comparing.editing_map import editing_map
from editor.edits.edit import Delta, Edit
from editor.methods.neurons.neuron_columns import without_columns
from editor.methods.neurons.neuron_depn import NeuronDepn

ROUNDED = 5e-3
"""Norms of neurons are kept to three significant digits."""


@pytest.mark.parametrize("family", ["gpt2", "llama", "phi3", "gpt_neox", "gemma2"])
def test_columns_taken_out_are_the_neurons_that_show(loaded, family):
    problem = people_problem(loaded(family))
    chosen = {Site(1, "mlp_hidden"): torch.tensor([3, 0])}
    edit = Edit(deltas=without_columns(problem, chosen), method="made")
    found = editing_map(problem, NeuronDepn(units=4), edit)
    (layer,) = found.neurons
    norms = torch.tensor(found.neurons[layer])
    assert layer == "mlp_hidden.1"
    assert set(norms.nonzero()[:, 0].tolist()) == {0, 3}
    assert float(norms.norm()) == pytest.approx(edit.norm, rel=ROUNDED)
    assert found.modules == {name: pytest.approx(edit.norm) for name in edit.deltas}
    assert 0 < sum(map(len, found.located.values())) <= 4


@pytest.mark.parametrize(
    ("family", "name"), [("llama", "up_proj"), ("phi3", "gate_up_proj"), ("gpt2", "c_fc")]
)
def test_what_feeds_a_neuron_counts_as_its_own(loaded, family, name):
    problem = people_problem(loaded(family))
    mlp = decoder_layers(problem.loaded.model)[0].mlp
    weight = getattr(mlp, name).weight
    (parameter,) = [n for n, p in problem.loaded.model.named_parameters() if p is weight]
    dense = torch.zeros_like(weight, dtype=torch.float32)
    neuron = 2
    if family == "gpt2":
        dense[:, neuron] = 1.0
    else:
        dense[neuron] = 1.0
    edit = Edit(deltas={parameter: Delta.from_dense(dense)}, method="made")
    found = editing_map(problem, NeuronDepn(units=1), edit)
    norms = torch.tensor(found.neurons["mlp_hidden.0"])
    assert norms.nonzero()[:, 0].tolist() == [neuron]
    assert float(norms[neuron]) == pytest.approx(edit.norm, rel=ROUNDED)
