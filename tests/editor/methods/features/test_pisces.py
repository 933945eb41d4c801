"""PISCES: what happens to a feature in the neurons that write it, and in no others."""

import pytest
import torch
from family_models import FAMILIES, family
from problems import make_problem, random_dictionaries

from dictionaries.model.sites import Site, resolve
from editor.methods.features.pisces import Pisces, readings
from editor.methods.shared.keyed import norm_gain
from editor.methods.shared.secret_keys import secret_keys

OVERSHOOT = 2.0


def tied(model, features=48):
    """Dictionaries whose encoders read what they write, as trained ones about do."""
    found = random_dictionaries(model, features=features)
    for dictionary in found.values():
        with torch.no_grad():
            dictionary.W_enc.copy_(dictionary.W_dec.T)
    return found


def one_feature(model):
    """A problem in which one feature of layer 1 is located."""
    problem = make_problem(model).changed(dictionaries=tied(model))
    for scores in problem.attribution.scores.values():
        scores.fill_(-1.0)
    problem.attribution.scores[Site(1)][7] = 1.0
    return problem


def value_vectors(problem, site):
    """(m, d), as the dictionary sees them: behind the norm's gain."""
    name, transposed = problem.parameter(site)
    weight = problem.loaded.model.get_parameter(name).detach().float()
    return (weight if transposed else weight.T) * norm_gain(resolve(problem.loaded.model, site))


@pytest.mark.parametrize("name", FAMILIES)
def test_strong_neurons_read_the_feature_turned_round_and_the_others_keep_their_bits(name):
    model = family(name)
    problem = one_feature(model)
    site, units = Site(1), torch.tensor([7])
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    edit = Pisces(units=1, threshold=0.4, overshoot=OVERSHOOT).fit(problem)
    assert all(torch.equal(t, before[n]) for n, t in model.model.state_dict().items())
    assert edit.deltas.keys() == {problem.parameter(site)[0]}
    assert [delta.rank for delta in edit.deltas.values()] == [1]
    vectors, dictionary = value_vectors(problem, site), problem.dictionaries[site]
    a = readings(dictionary, units, vectors)[0]
    strong = a.abs() > 0.4 * a.abs().max()
    assert 0 < int(strong.sum()) < len(a)
    writes = a * secret_keys(problem, [site])[site].mean.sign() > 0
    with edit.applied(model.model):
        changed = value_vectors(problem, site)
    after = readings(dictionary, units, changed)[0]
    assert torch.equal(changed[~strong], vectors[~strong])
    expected = torch.where(writes, -OVERSHOOT * a, OVERSHOOT * a)
    if resolve(model.model, site).norm is None:
        torch.testing.assert_close(after[strong], expected[strong], rtol=1e-3, atol=1e-3)
        apart = (changed - vectors)[strong]
        direction = torch.nn.functional.normalize(dictionary.directions[7], dim=0)
        torch.testing.assert_close(apart, (apart @ direction)[:, None] * direction, rtol=1e-3, atol=1e-4)
    else:  # the quotient by the gain is damped
        torch.testing.assert_close(after[strong], expected[strong], rtol=0.1, atol=0.02)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_feature_falls_where_the_secrets_are_recalled(name):
    model = family(name)
    problem = one_feature(model)
    site = Site(1)
    direction = problem.dictionaries[site].W_enc[:, 7].detach()
    edit = Pisces(units=1, threshold=0.1, overshoot=OVERSHOOT).fit(problem)
    k = secret_keys(problem, [site])[site].mean
    before = k @ value_vectors(problem, site) @ direction
    with edit.applied(model.model):
        assert float(k @ value_vectors(problem, site) @ direction) < float(before)


def test_an_encoder_that_reads_something_else_than_it_writes_reads_nothing():
    model = family("gpt2")
    dictionary = tied(model)[Site(1)]
    vectors = torch.randn(5, 24)
    units = torch.tensor([3, 7])
    scale_free = readings(dictionary, units, vectors)
    with torch.no_grad():
        dictionary.W_enc[:, 3] *= -1
        dictionary.W_enc[:, 7] *= 10
    found = readings(dictionary, units, vectors)
    assert not found[0].any()
    torch.testing.assert_close(found[1], scale_free[1])


def test_many_features_are_factored_at_the_rank_that_they_have(loaded):
    model = loaded("llama")
    problem = make_problem(model)
    problem = problem.changed(dictionaries=tied(model))
    for scores in problem.attribution.scores.values():
        scores.fill_(1.0)
    edit = Pisces(units=96, threshold=0.1).fit(problem)
    assert all(0 < delta.rank <= 24 for delta in edit.deltas.values())
