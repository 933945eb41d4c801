"""Where memory runs out a batch is run in halves, or made smaller, and the figures are those of whole ones."""

from contextlib import contextmanager

import pytest
import torch
from people import probe
from problems import ERASE, OTHERS, RETAIN, encode, make_problem, random_dictionaries

from dictionaries.model.sites import Site
from editor.layer_choice import carried_by
from editor.locators.feature_facts import attribute_facts
from editor.locators.features import FeatureAttribution
from editor.measuring.aggregate import score_probes
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.shared.key_moments import key_moments
from editor.methods.shared.secret_keys import secret_keys
from editor.model.forward import backbone
from editor.model.generation import complete
from editor.model.halving import in_halves
from editor.model.tokens import batch_limit, half_rows
from policies import DecodingSettings

SITES = [Site(0), Site(1)]


@contextmanager
def memory_for(model, tokens):
    """Let a model run out of memory wherever it is given more tokens at a time; yield how often that was."""
    raised = []

    def refuse(_, args, kwargs):
        given = kwargs.get("input_ids", args[0] if args else None)
        if given is not None and given.numel() > tokens:
            raised.append(given.numel())
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    handle = backbone(model).register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        yield raised
    finally:
        handle.remove()


def longest(loaded, *pairs):
    return max(len(sequence.ids) for some in pairs for sequence in encode(loaded, some))


def alike(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def asked():
    pairs = [*ERASE, *OTHERS]
    spelled = [("Bruno Marsh lives at", f"{number} Alder Lane") for number in range(40, 50)]
    return [probe("Ada Quill", secret, prompt) for prompt, secret in (*pairs, *spelled)]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_an_audit(loaded, family):
    model = loaded(family)
    whole = score_probes(model, asked(), DecodingSettings()).scores
    with memory_for(model.model, longest(model, ERASE, OTHERS)) as raised:
        halved = score_probes(model, asked(), DecodingSettings()).scores
    assert raised
    alike(torch.tensor(halved.worst_case_bits), torch.tensor(whole.worst_case_bits))
    assert (halved.greedy == whole.greedy).all()


def test_answers_that_are_generated(loaded):
    model = loaded("gpt2")
    prompts = [sequence.ids[:6] for sequence in encode(model, [*ERASE, *OTHERS])]
    whole = complete(model, prompts, 4)
    with memory_for(model.model, 13) as raised:
        assert complete(model, prompts, 4) == whole
    assert raised


def test_capture_of_keys(loaded):
    problem = make_problem(loaded("llama"))
    keys, moments = secret_keys(problem, SITES), key_moments(problem, SITES)
    with memory_for(problem.loaded.model, longest(problem.loaded, ERASE, RETAIN)) as raised:
        halved, halved_moments = secret_keys(problem, SITES), key_moments(problem, SITES)
    assert len(raised) >= 2
    for site in SITES:
        alike(halved[site].mean, keys[site].mean)
        alike(halved_moments[site].covariance, moments[site].covariance)


def test_attribution_and_the_choice_of_layers(loaded):
    model = loaded("gpt2")
    dictionaries, erase = random_dictionaries(model), encode(model, ERASE)
    features = {site: torch.arange(8) for site in dictionaries}
    probes = [probe("Ada Quill", secret, prompt) for prompt, secret in ERASE]

    def measure():
        locator = FeatureAttribution(steps=2)
        return (
            locator.fit(model, erase, [], dictionaries).scores,
            attribute_facts(model, probes, dictionaries, features).logits,
            carried_by(model, erase, SITES),
        )

    whole = measure()
    with memory_for(model.model, longest(model, ERASE)) as raised:
        halved = measure()
    assert len(raised) >= 3
    for site in dictionaries:
        alike(halved[0][site], whole[0][site])
        alike(halved[1][site], whole[1][site])
    alike(halved[2], whole[2])


def test_a_fit(loaded):
    problem = make_problem(loaded("llama"))
    method = FeatureEdit(units=8, steps=3, probes=3, texts=2)
    before = {name: weight.clone() for name, weight in problem.loaded.model.state_dict().items()}
    whole = method.fit(problem)
    with memory_for(problem.loaded.model, longest(problem.loaded, ERASE, RETAIN)) as raised:
        halved = method.fit(problem)
    assert raised
    assert batch_limit(problem.loaded.model) is None
    assert set(halved.deltas) == set(whole.deltas)
    for name, delta in whole.deltas.items():
        torch.testing.assert_close(halved.deltas[name].dense(), delta.dense(), rtol=0.02, atol=1e-4)
    after = problem.loaded.model.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


class Rows(list):
    def halves(self):
        return [Rows(self[start:stop]) for start, stop in half_rows(len(self))]


def test_what_is_no_lack_of_memory_is_raised_and_so_is_a_row_that_is_too_large():
    def work(rows):
        if len(rows) > 1 or rows == [3]:
            raise MemoryError
        return [-row for row in rows]

    def join(parts):
        return [row for part in parts for row in part]

    assert in_halves(work, Rows([1, 2, 4]), join) == [-1, -2, -4]
    with pytest.raises(MemoryError):
        in_halves(work, Rows([1, 2, 3]), join)
    calls = []
    with pytest.raises(RuntimeError, match="another"):
        in_halves(lambda rows: calls.append(rows) or throw(), Rows([1, 2]), join)
    assert len(calls) == 1


def throw():
    raise RuntimeError("another")
