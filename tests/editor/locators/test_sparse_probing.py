"""Sparse probing: planted neurons are found, controls do not find them, and nothing is learned from the test split."""

from itertools import combinations

import numpy as np
import pytest
import torch
from problems import ERASE, OTHERS, encode, make_problem

from dictionaries.model.sites import Site, capture
from editor.locators.exact_search import best_subset
from editor.locators.probe_data import TEST, TRAIN, VALIDATION, ProbeSplit, read_neurons, split_samples
from editor.locators.probe_rankings import RANKINGS, elastic_net
from editor.locators.sparse_probing import SparseProbing, rotated
from policies.errors import CorpusError

WIDTH = 48
SAMPLES = 900
SITES = [Site(layer, "mlp_hidden") for layer in range(3)]
PLANTED = Site(1, "mlp_hidden")


def drawn_split(seed=0):
    generator = np.random.default_rng(seed)
    labels = (generator.random(SAMPLES) < 0.3).astype(int)
    return ProbeSplit(
        labels=labels, split=generator.choice([TRAIN, VALIDATION, TEST], SAMPLES, p=[0.6, 0.2, 0.2])
    )


def planted(split, neurons, strength, seed=1):
    """Noise in every layer; in one, a few neurons also fire on the label."""
    generator = np.random.default_rng(seed)
    layers = {site: generator.standard_normal((SAMPLES, WIDTH)) for site in SITES}
    for neuron in neurons:
        layers[PLANTED][:, neuron] += strength * split.labels
    return layers


def study(split, layers, **settings):
    return SparseProbing(sizes=(16, 8, 3, 2, 1), exact_among=20, **settings).study_layers(
        iter(layers.items()), split
    )


def test_a_planted_neuron_is_found_and_both_controls_fail():
    split = drawn_split()
    found = study(split, planted(split, [7], 5.0))
    assert (found.chosen.site, found.chosen.k, found.chosen.neurons) == (PLANTED, 1, (7,))
    assert found.test.f1 > 0.95
    assert found.test.mcc > 0.95
    assert found.rotated.f1 < 0.75
    assert found.random.f1 < 0.6
    assert abs(found.random.mcc) < 0.15
    assert found.rotated.mcc < 0.6


def test_three_planted_neurons_are_found_by_the_exact_search():
    split = drawn_split()
    found = study(split, planted(split, [3, 11, 40], 2.0))
    row = next(row for row in found.rows if row.site == PLANTED and row.k == 3)
    assert row.exact
    assert set(row.neurons) == {3, 11, 40}
    singles = [row.validation.f1 for row in found.rows if row.site == PLANTED and row.k == 1]
    assert row.validation.f1 > max(singles)


def test_the_telescopic_sweep_keeps_planted_neurons():
    split = drawn_split()
    neurons = [1, 5, 9, 13, 22, 30, 31, 47]
    found = study(split, planted(split, neurons, 1.5))
    row = next(row for row in found.rows if row.site == PLANTED and row.k == 8)
    assert not row.exact
    assert set(row.neurons) == set(neurons)
    assert found.chosen.site == PLANTED
    assert found.chosen.k >= 8


def test_without_anything_planted_the_probe_finds_no_more_than_chance():
    split = drawn_split()
    assert study(split, planted(split, [], 0.0)).test.mcc < 0.25


@pytest.mark.parametrize("ranking", [*RANKINGS.values(), elastic_net])
def test_every_ranking_puts_the_planted_neuron_first(ranking):
    split = drawn_split()
    x = planted(split, [7], 3.0)[PLANTED][:400]
    assert int(ranking(x, split.labels[:400]).argmax()) == 7


def test_rankings_bear_neurons_that_never_fire():
    split = drawn_split()
    x = planted(split, [7], 3.0)[PLANTED][:300]
    x[:, 2] = 0.0
    for ranking in RANKINGS.values():
        scores = ranking(x, split.labels[:300])
        assert np.isfinite(scores).all()
        assert scores[2] <= scores[7]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_exact_search_equals_a_plain_loop(size):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((200, 7)) @ generator.standard_normal((7, 7))
    y = (x[:, 2] + x[:, 5] + generator.standard_normal(200) > 1.5).astype(int)
    weights = np.where(y == 1, 1 / (y == 1).sum(), 1 / (y == 0).sum())
    root = np.sqrt(weights / weights.sum())[:, None]
    losses = {}
    for chosen in combinations(range(7), size):
        design = np.column_stack([x[:, chosen], np.ones(200)])
        target = y - 0.5
        solution = np.linalg.lstsq(root * design, root[:, 0] * target, rcond=None)[0]
        losses[chosen] = float(((root[:, 0] * (design @ solution - target)) ** 2).sum())
    found, explained = best_subset(x, y, size)
    best = min(losses, key=losses.get)
    assert tuple(found) == best
    assert explained == pytest.approx(1 - losses[best] / 0.25, abs=1e-6)


def test_a_random_basis_keeps_lengths_and_angles():
    x = np.random.default_rng(0).standard_normal((20, WIDTH))
    np.testing.assert_allclose(rotated(x, 0) @ rotated(x, 0).T, x @ x.T, atol=1e-9)
    assert not np.allclose(rotated(x, 0), rotated(x, 1))


def test_what_is_chosen_does_not_depend_on_the_test_split():
    split = drawn_split()
    layers = planted(split, [3, 11], 1.5)
    spoilt = {site: x.copy() for site, x in layers.items()}
    for x in spoilt.values():
        x[split.split == TEST] = 0.0
    one, other = study(split, layers), study(split, spoilt)
    assert one.rows == other.rows
    assert one.chosen == other.chosen
    assert one.test != other.test


def test_the_same_seed_gives_the_same_study():
    split = drawn_split()
    layers = planted(split, [3, 11], 1.5)
    one, other = study(split, layers), study(split, layers)
    assert (one.rows, one.test, one.rotated, one.random) == (
        other.rows,
        other.test,
        other.rotated,
        other.random,
    )


def test_all_tokens_of_a_probe_fall_into_one_split(loaded):
    model = loaded("gpt2")
    erase, others = encode(model, ERASE * 4), encode(model, OTHERS * 5)
    split = split_samples(erase, others, seed=0)
    assert len(split.labels) == sum(sum(one.marked) for one in [*erase, *others])
    start = 0
    for sequence in [*erase, *others]:
        count = sum(sequence.marked)
        assert len(set(split.split[start : start + count])) == 1
        start += count
    for part in (TRAIN, VALIDATION, TEST):
        assert set(split.labels[split.where(part)]) == {0, 1}
    with pytest.raises(CorpusError, match="needs 3 questions"):
        split_samples(erase[:2], others, seed=0)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_neurons_are_read_where_secrets_are_predicted(loaded, family, monkeypatch):
    model = loaded(family)
    sequences = encode(model, [*ERASE, *OTHERS])
    sites = [Site(0, "mlp_hidden"), Site(1, "mlp_hidden")]
    expected = {site: [] for site in sites}
    for sequence in sequences:
        with torch.no_grad(), capture(model.model, sites, keys=False) as taken:
            model.model(torch.tensor([sequence.ids]))
        at = [place - 1 for place, mark in enumerate(sequence.marked) if mark]
        for site in sites:
            expected[site].append(taken.outputs[site][0, at].numpy())
    monkeypatch.setattr("editor.locators.probe_data.ELEMENTS", 1)  # a layer at a time
    found = {site: x for some in read_neurons(model, sequences, sites) for site, x in some.items()}
    for site in sites:
        np.testing.assert_allclose(found[site], np.concatenate(expected[site]), rtol=1e-4, atol=1e-5)


def test_locating_by_probes_scores_the_chosen_neurons_alone(loaded):
    model = loaded("gpt2")
    problem = make_problem(model).changed(erase=encode(model, ERASE * 3), others=encode(model, OTHERS * 4))
    probing = SparseProbing(sizes=(8, 3, 1), prefilter=24, exact_among=10)
    attribution, study = problem.located(probing), probing.study(problem)
    located = {site: set(units.tolist()) for site, units in attribution.top(100).items() if len(units)}
    assert located == {study.chosen.site: set(study.chosen.neurons)}


def test_beyond_the_chosen_probe_come_the_neurons_that_larger_ones_add():
    split = drawn_split()
    found = study(split, planted(split, [7], 4.0))
    chosen = found.chosen
    order = SparseProbing(beyond=True).attribution(found).top(100)[PLANTED].tolist()
    assert tuple(order[: chosen.k]) == chosen.neurons
    larger = {row.k: set(row.neurons) for row in found.rows if row.site == PLANTED and row.k > chosen.k}
    assert set(order) == set(chosen.neurons).union(*larger.values())
    added_by = [min(k for k, all_ in larger.items() if neuron in all_) for neuron in order[chosen.k :]]
    assert added_by == sorted(added_by)
    assert added_by[-1] == 16
