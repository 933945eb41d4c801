"""Every edit has a control by chance at its own size; and one seed draws everything random."""

import pytest
import torch
from problems import make_problem

from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.methods.circuits.circuit_mlp import CircuitMlp
from editor.methods.controls import control_edits, random_directions
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.random_features import RandomFeatures
from editor.methods.neurons.neuron_probe import NeuronProbe
from editor.methods.shared.settings import with_seed
from editor.methods.weights.memit import Memit
from editor.methods.weights.npo_lora import NpoLora
from editor.methods.weights.residual_targets import ResidualTargets


def made_edit():
    generator = torch.Generator().manual_seed(3)
    mask = torch.rand(4, 3, generator=generator) > 0.5
    deltas = {
        "low.weight": Delta(
            left=torch.randn(6, 2, generator=generator), right=torch.randn(2, 5, generator=generator)
        ),
        "some.weight": MaskedDelta.from_dense(torch.randn(4, 3, generator=generator), mask),
        "none.weight": Delta(left=torch.zeros(3, 1), right=torch.ones(1, 3)),
    }
    return Edit(deltas=deltas, method="made")


def test_random_directions_change_each_parameter_as_much_at_the_same_rank_and_entries():
    edit = made_edit()
    control = random_directions(edit, seed=1)
    assert control.deltas.keys() == edit.deltas.keys()
    for name, delta in edit.deltas.items():
        assert control.deltas[name].squared_norm() == pytest.approx(delta.squared_norm(), rel=1e-5)
        assert not torch.equal(control.deltas[name].dense(), delta.dense()) or name == "none.weight"
    assert control.deltas["low.weight"].rank == 2
    assert torch.equal(control.deltas["some.weight"].mask, edit.deltas["some.weight"].mask)


def test_they_are_drawn_by_their_seed():
    one, again, other = (random_directions(made_edit(), seed).deltas["low.weight"].left for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    "method", [Memit(targets=ResidualTargets(steps=2)), FeatureEdit(units=20, steps=2, texts=1)]
)
def test_controls_by_chance_stand_at_the_methods_norm(loaded, method):
    problem = make_problem(loaded("gpt2"))
    edit = method.fit(problem)
    by_chance = [found for found, _ in control_edits(problem, edit, method, 0) if "random" in found.method]
    assert len(by_chance) == 1
    assert by_chance[0].norm == pytest.approx(edit.norm, rel=1e-4)


def test_one_seed_draws_everything_in_a_method():
    assert with_seed(NpoLora(), 7).tuning.seed == 7
    assert with_seed(NeuronProbe(), 7).locator.seed == 7
    assert with_seed(RandomFeatures(like=FeatureEdit(units=9)), 7) == RandomFeatures(
        like=FeatureEdit(units=9, seed=7), seed=7
    )
    circuit = with_seed(CircuitMlp(), 7)
    assert circuit.part_seed == 7
    assert circuit.tuning.seed == 7
