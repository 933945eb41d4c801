"""Neuron attribution: finite differences, completeness, the formulas as plain loops, and what is made of it."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from problems import ERASE, encode, make_problem
from torch import nn

from dictionaries.model.sites import Site, capture, intercepted
from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.locators.neurons import neuron_sites, score_neurons
from editor.locators.privacy_neurons import PrivacyNeurons
from editor.model.tokens import TokenSequence

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "mistral", "phi3")


@pytest.fixture
def exact(loaded, monkeypatch):
    """A family's tiny model in float64 throughout: norms and attention of transformers go through float32."""
    softmax = nn.functional.softmax
    monkeypatch.setattr(nn.functional, "softmax", lambda x, dim=None, dtype=None: softmax(x, dim))  # noqa: ARG005

    def make(family, epsilon=None):
        model = deepcopy(loaded(family).model).double()
        for module in model.modules():
            if type(module).__name__.endswith("RMSNorm"):
                monkeypatch.setattr(module, "forward", double_norm(module, epsilon), raising=False)
        return replace(loaded(family), model=model)

    return make


def double_norm(module, epsilon):
    epsilon = epsilon or (module.eps if hasattr(module, "eps") else module.variance_epsilon)
    gain = module.weight + (1 if type(module).__name__.startswith("Gemma") else 0)
    return lambda x: gain * x * (x.pow(2).mean(-1, keepdim=True) + epsilon).rsqrt()


def probability(loaded, sequence, place, site, neurons=None):
    """P(token `place`) in plain passes over everything before it, one site's neurons set at its last position."""

    def setting(x):
        return torch.cat([x[:, :-1], neurons[:, None]], 1) if neurons is not None else x

    ids = torch.tensor([sequence.ids[:place]]).expand(1 if neurons is None else len(neurons), -1)
    with intercepted(loaded.model, site, setting):
        logits = loaded.model(ids).logits[:, -1]
    return logits.softmax(1)[:, sequence.ids[place]]


def clean_neurons(loaded, sequence, place, site):
    with torch.no_grad(), capture(loaded.model, [site], keys=False) as taken:
        loaded.model(torch.tensor([sequence.ids[:place]]))
    return taken.outputs[site][0, -1]


def marked(sequence):
    return [place for place, mark in enumerate(sequence.marked) if mark]


def shortened(sequence, answer=2):
    """The same prompt with fewer answer tokens."""
    end = marked(sequence)[answer]
    return TokenSequence(ids=sequence.ids[:end], marked=sequence.marked[:end], index=0)


def plain_scores(loaded, sequence, site, steps):
    """Dai et al.'s sum, written down token by token and step by step."""
    total = 0
    for place in marked(sequence):
        clean = clean_neurons(loaded, sequence, place, site)
        for k in range(1, steps + 1):
            leaf = (k / steps * clean).requires_grad_()
            (gradient,) = torch.autograd.grad(probability(loaded, sequence, place, site, leaf[None]), leaf)
            total = total + clean / steps * gradient
    return total


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_scores_match_central_finite_differences(exact, family):
    """Every k-th point of the path, every neuron moved up and down."""
    loaded, steps, h = exact(family), 3, 1e-5
    sequence = shortened(encode(loaded, ERASE)[0], 1)
    (place,) = marked(sequence)
    (found,) = score_neurons(loaded, [sequence], steps=steps)
    for site in neuron_sites(loaded.model):
        clean = clean_neurons(loaded, sequence, place, site)
        moved = h * torch.eye(len(clean), dtype=clean.dtype)
        numeric = torch.zeros_like(clean)
        for k in range(1, steps + 1):
            up, down = (
                probability(loaded, sequence, place, site, k / steps * clean + sign * moved)
                for sign in (1, -1)
            )
            numeric += clean / steps * (up - down) / (2 * h)
        error = (found.scores[site] - numeric).abs()
        assert bool((error <= 1e-3 * numeric.abs() + 1e-9 * numeric.abs().max()).all())
        assert float(numeric.abs().max()) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_with_kept_keys_equal_a_plain_loop(exact, family):
    """Also where the prompt is longer than a sliding window (32 in Gemma-2 and Mistral)."""
    loaded = exact(family)
    long = " ".join(["Bruno Marsh lives at 48 Alder Lane."] * 2)
    sequence = shortened(encode(loaded, [(f"{long} {ERASE[0][0]}", ERASE[0][1])])[0])
    assert len(sequence.ids) > 34
    (found,) = score_neurons(loaded, [sequence], steps=4)
    for site in neuron_sites(loaded.model):
        expected = plain_scores(loaded, sequence, site, 4)
        torch.testing.assert_close(found.scores[site], expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_many_steps_the_scores_are_complete(exact, family):
    """Behind Gemma-2's norm only the path's very beginning counts, so its ε is made large enough to be stepped over."""
    loaded = exact(family, 1.0 if family == "gemma2" else None)
    sequence = shortened(encode(loaded, ERASE)[1])
    (found,) = score_neurons(loaded, [sequence], steps=400)
    for site, effect in found.effects.items():
        zero = torch.zeros_like(found.scores[site])
        with torch.no_grad():
            plain = sum(
                float(
                    probability(loaded, sequence, place, site)
                    - probability(loaded, sequence, place, site, zero[None])
                )
                for place in marked(sequence)
            )
        assert effect == pytest.approx(plain, rel=1e-9, abs=1e-14)
        assert float(found.scores[site].sum()) == pytest.approx(plain, rel=0.02, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_eager_attention_gives_the_same(exact, family):
    """It adds masks to scores, where the default takes true and false."""
    loaded = exact(family)
    sequence = shortened(encode(loaded, ERASE)[0])
    (expected,) = score_neurons(loaded, [sequence], steps=4)
    loaded.model.set_attn_implementation("eager")
    (found,) = score_neurons(loaded, [sequence], steps=4)
    for site, score in expected.scores.items():
        torch.testing.assert_close(found.scores[site], score, rtol=1e-8, atol=1e-12)


def test_rows_may_be_cut_into_several_passes(exact, monkeypatch):
    loaded = exact("llama")
    sequences = [shortened(one) for one in encode(loaded, ERASE)]
    together = list(score_neurons(loaded, sequences, steps=5))
    monkeypatch.setattr("editor.locators.neurons.ELEMENTS", 1)
    for one, other in zip(together, score_neurons(loaded, sequences, steps=5), strict=True):
        for site, score in one.scores.items():
            torch.testing.assert_close(score, other.scores[site])


def test_an_answer_right_behind_the_first_token(exact):
    loaded = exact("gpt2")
    ids = encode(loaded, ERASE)[0].ids[:3]
    sequence = TokenSequence(ids=ids, marked=(False, True, True), index=0)
    (found,) = score_neurons(loaded, [sequence], steps=4)
    for site, score in found.scores.items():
        torch.testing.assert_close(score, plain_scores(loaded, sequence, site, 4))


def plain_table(loaded, problem, steps):
    """(probes, neurons): plain scores of each probe over all layers, the mean over its tokens."""
    sites = neuron_sites(loaded.model)
    return torch.stack(
        [
            torch.cat([plain_scores(loaded, one, site, steps) for site in sites]) / sum(one.marked)
            for one in problem.erase
        ]
    )


@pytest.mark.parametrize(("facts", "shared"), [((0, 0, 0), 0.7), ((0, 0, 1), 1.0), ((0, 1, 2), 0.7)])
def test_knowledge_neurons_are_those_that_wordings_share(exact, facts, shared):
    loaded = exact("gpt2")
    problem = small_problem(loaded, facts)
    found = problem.located(KnowledgeNeurons(steps=3, shared=shared, share_of_max=0.05))
    table = plain_table(loaded, problem, 3)
    expected = torch.zeros(table.shape[1], dtype=table.dtype)
    for fact in set(facts):
        mine = table[[index for index, one in enumerate(facts) if one == fact]]
        coarse = mine > 0.05 * mine.max(1, keepdim=True).values
        least = next(
            s for s in (shared - 0.05 * n for n in range(21)) if (coarse.double().mean(0) >= s).any()
        )
        expected += mine.mean(0) * (coarse.double().mean(0) >= least) / len(set(facts))
    torch.testing.assert_close(torch.cat(list(found.scores.values())), expected)
    torch.testing.assert_close(torch.cat(list(found.raw.values())), table.mean(0))
    assert bool((expected > 0).any())


def test_privacy_neurons_are_those_of_most_votes(exact):
    loaded = exact("gpt2")
    problem = small_problem(loaded, (0, 0, 1))
    found = problem.located(PrivacyNeurons(steps=3, share_of_max=0.1))
    table = plain_table(loaded, problem, 3) * torch.tensor([[sum(s.marked)] for s in problem.erase])
    votes = (table > 0.1 * table.max(1, keepdim=True).values).sum(0)
    scores = torch.cat(list(found.scores.values()))
    assert torch.equal(scores.floor().long(), votes)
    order = sorted(range(len(votes)), key=lambda j: (-int(votes[j]), -float(table[:, j].mean())))
    width = len(found.scores[Site(0, "mlp_hidden")])
    flat = [site.layer * width + unit for site, units in found.top(5).items() for unit in units.tolist()]
    assert sorted(flat) == sorted(order[:5])


def small_problem(loaded, facts):
    problem = make_problem(loaded_float(loaded))
    erase = [replace(shortened(one), index=index) for index, one in enumerate(encode(loaded, ERASE))]
    return problem.changed(loaded=loaded, erase=erase, facts=facts)


def loaded_float(loaded):
    return replace(loaded, model=deepcopy(loaded.model).float())


def test_locating_leaves_no_hook_and_no_gradient(loaded):
    model = loaded("gpt2")
    list(score_neurons(model, encode(model, ERASE)[:1], steps=2))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.model.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.model.parameters())
