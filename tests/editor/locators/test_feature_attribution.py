"""Attribution: complete, agreeing with finite differences, and blind to what others share."""

import pytest
import torch
from problems import ERASE, OTHERS, encode, make_problem, random_dictionaries

from dictionaries.model.sites import Site, capture
from editor.locators.features import FeatureAttribution, objective, substituted
from editor.model import precision
from editor.model.tokens import batches
from editor.model.traced_parts import traced_parts

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2")


@pytest.mark.parametrize(
    ("family", "architecture"), [*((f, "relu") for f in FAMILIES), ("gpt2", "gated"), ("gpt2", "binary")]
)
def test_integrated_gradients_are_complete(loaded, family, architecture):
    attribution = make_problem(loaded(family), architecture, steps=64).attribution
    assert attribution.completeness == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("family", FAMILIES[1:])  # GPT-2's path is rough: 64 steps give 0.59, 512 give 1.05
def test_what_all_prompts_begin_with_is_not_scaled_and_the_rest_is_complete(loaded, family):
    model = loaded(family)
    beginning = "The records of the clinic say all that there is to say about people: "
    sequences = encode(model, [(beginning + prompt, answer) for prompt, answer in [*ERASE, *OTHERS]])
    (part,) = traced_parts(model, sequences)
    assert len(part.root) >= 16
    attribution = FeatureAttribution(steps=64).fit(model, sequences, [], random_dictionaries(model))
    assert attribution.completeness == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_times_activation_equals_finite_differences(loaded, family):
    """Moving a site's output along a direction changes the objective as the gradient says."""
    model = loaded(family)
    site = Site(1)
    (batch,) = batches(encode(model, ERASE[:1]), pad=0, device=model.device)
    (dictionary,) = random_dictionaries(model, layers=(1,)).values()
    with torch.no_grad(), capture(model.model, [site], keys=False) as taken:
        objective(model.model, batch)
    x = taken.outputs[site].clone()
    attribution = FeatureAttribution(steps=1, contrast=0.0).fit(
        model, encode(model, ERASE[:1]), [], {site: dictionary}
    )
    codes = dictionary.encode(x)
    feature = int(attribution.raw[site].abs().argmax())
    push = codes[..., feature : feature + 1] * dictionary.directions[feature]
    step = 1e-2
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            with substituted(model.model, {site: x + sign * step * push}):
                values.append(float(objective(model.model, batch)))
    numeric = (values[0] - values[1]) / (2 * step)
    assert float(attribution.raw[site][feature]) == pytest.approx(numeric, rel=0.05, abs=1e-2)


def test_contrast_subtracts_the_positive_scores_of_others(loaded):
    model = loaded("gpt2")
    dictionaries = random_dictionaries(model)
    plain = FeatureAttribution(contrast=1.0).fit(model, encode(model, ERASE), [], dictionaries)
    others = FeatureAttribution(contrast=1.0).fit(model, encode(model, OTHERS), [], dictionaries)
    both = FeatureAttribution(contrast=1.0).fit(
        model, encode(model, ERASE), encode(model, OTHERS), dictionaries
    )
    for site in dictionaries:
        expected = plain.raw[site] - others.raw[site].clamp(min=0)
        torch.testing.assert_close(both.scores[site], expected, rtol=1e-4, atol=1e-4)


def test_top_takes_the_best_positive_scores_over_all_sites(loaded):
    attribution = make_problem(loaded("gpt2")).attribution
    top = attribution.top(10)
    chosen = torch.cat([attribution.scores[site][units] for site, units in top.items()])
    everything = torch.cat(list(attribution.scores.values()))
    assert sorted(chosen.tolist()) == sorted(everything.topk(10).values.clamp(min=0).tolist())
    assert sum(len(units) for units in attribution.top(10**6).values()) == int((everything > 0).sum())


def test_the_model_is_left_without_hooks(loaded):
    model = loaded("gpt2")
    make_problem(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.model.modules())


def test_a_wide_model_s_gradients_in_bfloat16_rank_features_alike(loaded, monkeypatch):
    model = loaded("llama")
    dictionaries = random_dictionaries(model.model)
    exact = FeatureAttribution().fit(model, encode(model, ERASE), [], dictionaries)
    monkeypatch.setattr(precision, "WIDE", 8)
    monkeypatch.setattr(precision, "bfloat16_gains", lambda: True)
    quick = FeatureAttribution().fit(model, encode(model, ERASE), [], dictionaries)
    for site, scores in exact.scores.items():
        assert not torch.equal(quick.scores[site], scores)
        assert float(torch.corrcoef(torch.stack([quick.scores[site], scores]))[0, 1]) > 0.99
