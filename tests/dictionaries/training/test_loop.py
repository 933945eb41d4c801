from dataclasses import replace

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES
from dictionaries.evaluation.evaluate import evaluate_dictionaries
from dictionaries.model.sites import Site
from dictionaries.model.tokens import token_batches
from dictionaries.training.loop import train_dictionaries
from policies.errors import DictionaryError, ModelError

SITES = (Site(0), Site(1), Site(2))


@pytest.fixture(scope="module")
def batches(texts, tokenizer):
    return list(token_batches(texts, tokenizer))


def quick(name, **settings):
    return replace(ARCHITECTURES[name].defaults, features=32, steps=40, batch_size=128, **settings)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_all_sites_are_trained_from_one_model_pass(name, speaker, batches):
    passes = []
    handle = speaker.transformer.wte.register_forward_hook(lambda *_: passes.append(1))
    calls = []
    result = train_dictionaries(
        speaker,
        batches,
        SITES,
        name,
        quick(name),
        model_name="tiny",
        progress=lambda *call: calls.append(call),
    )
    handle.remove()
    assert len(passes) == len(batches)
    assert tuple(result.dictionaries) == SITES
    assert {call[0] for call in calls} == {"activations", "training"}
    assert calls[-1] == ("training", 40, 40)
    for site, dictionary in result.dictionaries.items():
        assert dictionary.config.site == site
        assert dictionary.config.model == "tiny"
        assert dictionary.config.provenance["steps"] == 40
        assert not any(parameter.requires_grad for parameter in dictionary.parameters())
        report = result.reports[site]
        assert report.tokens == sum(int(batch.counted.sum()) for batch in batches)
        assert [point.step for point in report.history] == [40]
        assert report.history[0].terms["reconstruction"] > 0


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_report_agrees_with_the_evaluator_on_the_same_text(name, speaker, batches):
    result = train_dictionaries(speaker, batches, SITES[:1], name, quick(name))
    evaluation = evaluate_dictionaries(speaker, batches, result.dictionaries, cross_entropy=False)[SITES[0]]
    report = result.reports[SITES[0]]
    assert evaluation.explained_variance == pytest.approx(report.explained_variance, abs=1e-5)
    assert evaluation.gamma == pytest.approx(report.gamma, abs=1e-5)
    assert evaluation.l0 == pytest.approx(report.l0, abs=0.05)


def test_the_baseline_of_bits_is_their_mean_over_the_corpus(speaker, batches):
    dictionary = train_dictionaries(speaker, batches, SITES[:1], "binary", quick("binary")).dictionaries[
        SITES[0]
    ]
    from dictionaries.model.activations import harvest

    codes = [dictionary.encode(piece.activations[SITES[0]]) for piece in harvest(speaker, batches, SITES[:1])]
    torch.testing.assert_close(dictionary.baseline, torch.cat(codes).mean(dim=0), atol=1e-3, rtol=0)


def test_the_model_is_left_as_it_was_and_seeds_decide(speaker, batches):
    before = {name: tensor.clone() for name, tensor in speaker.state_dict().items()}
    speaker.train()
    results = [
        train_dictionaries(speaker, batches, SITES[:1], "gated", quick("gated", seed=seed))
        for seed in (1, 1, 2)
    ]
    assert speaker.training
    speaker.eval()
    assert all(torch.equal(before[name], tensor) for name, tensor in speaker.state_dict().items())
    first, again, other = (result.dictionaries[SITES[0]].W_enc for result in results)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_budget_too_small_for_the_corpus_trains_by_streaming(speaker, batches):
    result = train_dictionaries(
        speaker, batches, SITES, "gated", quick("gated"), budget_bytes=4 * 16 * 3 * 300
    )
    assert result.reports[SITES[0]].tokens == 300


def test_user_errors_have_a_cause(speaker, batches):
    with pytest.raises(DictionaryError, match="3 layers"):
        train_dictionaries(speaker, batches, [Site(7)])
    with pytest.raises(DictionaryError, match="not an architecture"):
        train_dictionaries(speaker, batches, SITES, "dense")
    with pytest.raises(DictionaryError, match="not one token"):
        train_dictionaries(speaker, [], SITES)
    with pytest.raises(ModelError):
        train_dictionaries(torch.nn.Linear(2, 2), batches, SITES)
    with pytest.raises(DictionaryError, match="not finite"):
        train_dictionaries(speaker, batches, SITES[:1], "gated", quick("gated", learning_rate=1e30))


def test_gradients_are_clipped_on_request(speaker, batches, monkeypatch):
    norms = []

    def record(dictionary):
        gradients = [parameter.grad.flatten() for parameter in dictionary.parameters()]
        norms.append(float(torch.linalg.vector_norm(torch.cat(gradients))))

    monkeypatch.setattr(ARCHITECTURES["gated"], "before_step", record)
    for clip_norm in (0.0, 0.5):
        train_dictionaries(speaker, batches, SITES[:1], "gated", quick("gated", clip_norm=clip_norm))
    assert min(norms[:40]) > 0.5
    assert max(norms[40:]) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_weights_that_are_not_finite_are_noticed(name, speaker, batches, monkeypatch):
    """Also where features that are NaN are never on, so that the loss stays finite."""
    kind = ARCHITECTURES[name]
    plain = kind.after_step

    def spoil(dictionary):
        plain(dictionary)
        with torch.no_grad():
            dictionary.W_enc[:, 0] = torch.nan

    monkeypatch.setattr(kind, "after_step", spoil)
    with pytest.raises(DictionaryError, match="not finite"):
        train_dictionaries(speaker, batches, SITES[:1], name, quick(name))
