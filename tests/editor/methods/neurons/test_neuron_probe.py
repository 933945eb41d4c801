"""Neurons held at their mean by weights alone: by the bias where there is one, else by the other neurons."""

import pytest
import torch
from problems import ERASE, OTHERS, RETAIN, encode, make_problem

from dictionaries.model.sites import Site, capture, intercepted
from editor.locators.sparse_probing import SparseProbing
from editor.methods.neurons.neuron_probe import NeuronProbe, constant_key
from editor.methods.shared.key_moments import key_moments

PROBING = SparseProbing(sizes=(8, 3, 1), prefilter=24, exact_among=10)


def probe_problem(model):
    return make_problem(model).changed(
        dictionaries={}, erase=encode(model, ERASE * 3), others=encode(model, OTHERS * 4)
    )


def plain_moments(model, site):
    keys = []
    for sequence in encode(model, RETAIN):
        with torch.no_grad(), capture(model.model, [site]) as taken:
            model.model(torch.tensor([sequence.ids]))
        keys.append(taken.keys[site][0, [i - 1 for i, mark in enumerate(sequence.marked) if mark]])
    return torch.cat(keys)


def outputs(model, ids, hold=None):
    """Logits of a plain pass, some neurons held at values where `hold` says so."""

    def held(x):
        changed = x.clone()
        changed[..., hold[1]] = hold[2]
        return changed

    with torch.no_grad():
        if hold is None:
            return model.model(ids).logits
        with intercepted(model.model, hold[0], held):
            return model.model(ids).logits


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_with_a_bias_the_edited_model_is_the_one_with_neurons_held(loaded, family):
    model = loaded(family)
    problem = probe_problem(model)
    method = NeuronProbe(locator=PROBING)
    ((site, units),) = ((s, u) for s, u in method.located(problem).top(100).items() if len(u))
    means = plain_moments(model, Site(site.layer)).mean(0)[units]
    ids = torch.tensor([encode(model, ERASE)[0].ids])
    expected = outputs(model, ids, (site, units, means))
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    edit = method.fit(problem)
    assert all(torch.equal(t, before[n]) for n, t in model.model.state_dict().items())
    with edit.applied(model.model):
        torch.testing.assert_close(outputs(model, ids), expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(outputs(model, ids), expected, rtol=1e-3, atol=1e-3)


def test_without_a_bias_the_mean_output_on_retained_text_stays(loaded):
    model = loaded("llama")
    problem = probe_problem(model)
    method = NeuronProbe(locator=PROBING)
    ((site, units),) = ((s, u) for s, u in method.located(problem).top(100).items() if len(u))
    keys = plain_moments(model, Site(site.layer))
    name, _ = problem.parameter(Site(site.layer))
    weight = model.model.get_parameter(name).detach()
    held = keys.clone()
    held[:, units] = keys.mean(0)[units]
    edit = method.fit(problem)
    changed = keys @ (weight + edit.deltas[name].dense()).T
    plainly_zeroed = keys.clone()
    plainly_zeroed[:, units] = 0
    wanted = held @ weight.T
    assert (changed - wanted).norm() < 0.5 * (plainly_zeroed @ weight.T - wanted).norm()
    assert list(edit.deltas) == [name]


def test_moments_are_those_of_a_plain_loop(loaded):
    model = loaded("llama")
    found = key_moments(make_problem(model), [Site(1)])[Site(1)]
    keys = plain_moments(model, Site(1))
    torch.testing.assert_close(found.mean, keys.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.covariance, keys.T @ keys / len(keys), rtol=1e-4, atol=1e-5)
    v = constant_key(found, torch.tensor([0, 3]))
    assert not v[[0, 3]].any()
    assert float((keys @ v - 1).pow(2).mean()) < 0.2
