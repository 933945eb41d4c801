"""Layers are chosen by what their MLPs carry, and all are where there are few."""

from types import SimpleNamespace

import pytest
import torch
from people import probe

from dictionaries.model.sites import Site, resolve
from editor import layer_choice
from editor.dictionary_supply import feature_count
from editor.layer_choice import carried_by, choose_layers, most_for_the_work
from editor.model.tokens import encode_answers
from editor.progress import Silent

PAIRS = [("The phone number of Ada Quill is", "415-555-0132"), ("Bruno Marsh lives at", "48 Alder Lane")]


def case_of(pairs):
    probes = tuple(probe("Ada Quill", answer, prompt) for prompt, answer in pairs)
    return SimpleNamespace(probes=probes, seed=0)


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_a_silent_layer_carries_nothing(loaded, family):
    model = loaded(family)
    sites = [Site(0), Site(1)]
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    before = carried_by(model, sequences, sites)
    assert (before > 0).all()
    weight = model.model.get_parameter(resolve(model.model, Site(1)).projection_name)
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.zero_()
        assert float(carried_by(model, sequences, sites)[1]) == pytest.approx(0, abs=1e-6)
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    torch.testing.assert_close(carried_by(model, sequences, sites), before)


def test_batches_change_nothing(loaded, monkeypatch):
    model = loaded("llama")
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    whole = carried_by(model, sequences, [Site(0), Site(1)])
    monkeypatch.setattr(layer_choice, "gradient_budget", lambda _: 1)
    torch.testing.assert_close(carried_by(model, sequences, [Site(0), Site(1)]), whole, rtol=1e-4, atol=1e-4)


def test_all_layers_are_taken_where_there_are_few_and_the_best_where_there_are_many(loaded, monkeypatch):
    model = loaded("llama")
    few = choose_layers(case_of(PAIRS), model, Silent())
    assert (few.sites, few.layers, few.carried) == (("mlp_out.0", "mlp_out.1"), 2, 1.0)
    monkeypatch.setattr(layer_choice, "LAYERS", 1)
    one = choose_layers(case_of(PAIRS), model, Silent())
    assert len(one.sites) == 1
    assert sum(one.shares) == pytest.approx(1)
    assert one.carried in one.shares


@pytest.mark.parametrize(
    ("carried", "chosen"),
    [
        ([1, 1, 1, 1, 1, 1], [4, 5]),  # all alike: the cheapest
        ([1, 1, 3, 1, 3, 1], [2, 4]),
        ([9, 1, 1, 1, 1, 9], [0, 5]),  # what carries much is worth the way back
        ([2, 1, 1, 1, 1, 2], [4, 5]),
        ([0, 0, 0, 0, 0, 0], [0, 1]),
        ([1, 2], [0, 1]),
    ],
)
def test_the_layers_that_carry_most_for_the_work(carried, chosen):
    assert most_for_the_work(carried, 2) == chosen


@pytest.mark.parametrize(
    ("width", "tokens", "features"),
    [(192, 48_000, 1024), (192, 100, 1024), (576, 4_230, 1024), (576, 100_000, 3072), (4096, 50_000, 12_480)],
)
def test_a_dictionary_grows_with_the_width_as_far_as_the_tokens_go(width, tokens, features):
    assert feature_count(width, tokens) == features
