"""Repair brings retained text back and leaves erased tokens where they are; changes leave no trace."""

from contextlib import suppress

import pytest
import torch
from problems import make_problem

from dictionaries.model.sites import Site
from editor.edits.edit import Delta, Edit
from editor.methods.features.repair import Repair, _Divergence
from editor.methods.shared.changes import Changes

SITES = [Site(0), Site(1)]


def damage(problem, changes):
    generator = torch.Generator().manual_seed(1)
    for site in SITES:
        name, transposed = problem.parameter(site)
        shape = problem.loaded.model.get_parameter(name).shape
        d, m = reversed(shape) if transposed else shape
        changes.add(site, 0.02 * torch.randn(d, m, generator=generator))


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_repair_lowers_the_divergence_and_the_model_comes_back(loaded, family):
    problem = make_problem(loaded(family))
    _ = problem.retained_reading
    before = {name: tensor.clone() for name, tensor in problem.loaded.model.state_dict().items()}
    with Changes(problem, SITES) as changes:
        damage(problem, changes)
        divergence = _Divergence(problem, changes, problem.retain)
        damaged = divergence.value()
        keys = {site: torch.randn(6, len(problem.retained_covariance[site])) for site in SITES}
        found = Repair(problem, changes, steps=3).run(keys)
        assert found[0] == pytest.approx(damaged, rel=1e-3)
        assert divergence.value() < 0.5 * damaged
        assert len(changes.deltas()) == 2
    after = problem.loaded.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_repair_holds_what_is_written_at_erased_keys(loaded):
    problem = make_problem(loaded("llama"))
    _ = problem.retained_reading
    generator = torch.Generator().manual_seed(0)
    keys = {site: torch.randn(6, 40, generator=generator) for site in SITES}
    moved = {}
    for hold in (0.0, 1e4):
        with Changes(problem, SITES) as changes:
            damage(problem, changes)
            before = {name: delta.dense() for name, delta in changes.deltas().items()}
            Repair(problem, changes, steps=2, hold=hold).run(keys)
            after = {name: delta.dense() for name, delta in changes.deltas().items()}
        names = {site: problem.parameter(site)[0] for site in SITES}
        moved[hold] = sum(
            float(((after[n] - before[n]) @ keys[site].T).norm()) for site, n in names.items()
        ) / sum(float((after[n] - before[n]).norm()) for n in names.values())
    assert moved[1e4] < 0.1 * moved[0.0]


def test_an_error_inside_leaves_the_weights_as_they_were(loaded):
    problem = make_problem(loaded("gpt2"))
    name = problem.parameter(Site(0))[0]
    before = problem.loaded.model.get_parameter(name).clone()
    with suppress(RuntimeError), Changes(problem, SITES) as changes:
        damage(problem, changes)
        assert not torch.equal(problem.loaded.model.get_parameter(name), before)
        with changes.suspended():
            assert torch.equal(problem.loaded.model.get_parameter(name), before)
        raise RuntimeError
    assert torch.equal(problem.loaded.model.get_parameter(name), before)


def test_small_changes_add_up_in_bfloat16(loaded):
    """Each step is below the weights' rounding; their sum is not."""
    problem = make_problem(loaded("llama", torch.bfloat16))
    site = Site(0)
    with Changes(problem, [site]) as changes:
        for _ in range(64):
            changes.add(site, torch.full((24, 40), 1e-3))
        (delta,) = changes.deltas().values()
    torch.testing.assert_close(delta.dense(), torch.full((24, 40), 0.064), rtol=1e-3, atol=1e-5)


def test_a_change_is_gone_on_from_inside_the_block_alone(loaded):
    problem = make_problem(loaded("gpt2"))
    before = {name: tensor.clone() for name, tensor in problem.loaded.model.state_dict().items()}
    names = {site: problem.parameter(site)[0] for site in SITES}
    with Changes(problem, SITES[:1]) as changes:
        changes.add(SITES[0], torch.full((24, before[names[SITES[0]]].shape[0]), 1e-2))
        start = Edit(deltas=changes.deltas(), method="test")
    again = Changes(problem, SITES, start)  # it has nothing of the second site
    after = problem.loaded.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    with again as changes:
        assert not torch.equal(problem.loaded.model.get_parameter(names[SITES[0]]), before[names[SITES[0]]])
        deltas = changes.deltas()
        torch.testing.assert_close(
            deltas[names[SITES[0]]].dense(), start.deltas[names[SITES[0]]].dense(), rtol=1e-4, atol=1e-6
        )
        assert not deltas[names[SITES[1]]].dense().any()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_start_of_another_shape_leaves_the_model_as_it_was(loaded):
    problem = make_problem(loaded("gpt2"))
    before = {name: tensor.clone() for name, tensor in problem.loaded.model.state_dict().items()}
    first, second = (problem.parameter(site)[0] for site in SITES)
    fits = Delta(left=torch.ones(before[first].shape[0], 1), right=torch.ones(1, before[first].shape[1]))
    start = Edit(
        deltas={first: fits, second: Delta(left=torch.ones(3, 1), right=torch.ones(1, 3))}, method="test"
    )
    with pytest.raises(RuntimeError), Changes(problem, SITES, start):
        pass
    after = problem.loaded.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
