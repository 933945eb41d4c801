"""MEMIT: what is written at the subjects' tokens, and where."""

from dataclasses import replace

import pytest
import torch
from problems import RETAIN, encode, make_problem

from detectors import NOBODY
from dictionaries.model.sites import Site, resolve
from editor.locators.problem import EditProblem
from editor.methods.shared.key_moments import key_moments
from editor.methods.weights.lookups import essence_lookups, fact_lookups
from editor.methods.weights.memit import Memit, _read
from editor.methods.weights.residual_targets import ResidualTargets
from editor.questions.probes import Probe, Target
from editor.questions.retained import text_log_p

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "mistral", "phi3")
SECRET = "4"
# The name stands last: with random weights a token says little to those behind it, and much to the next one.
ERASE = [("Call Ada Quill", SECRET), ("The desk calls Ada Quill", SECRET), ("Dial for Ada Quill", SECRET)]
QUICK = ResidualTargets(steps=12, learning_rate=0.3, clamp=4.0)


def asked(pairs, name):
    """The pairs as probes about one person."""
    return [
        Probe(
            target=Target(
                subject=name, relation="PHONE_NUMBER", answer=secret, personal=True, group="erased"
            ),
            prompt=prompt,
            wording="trained",
            split="locating",
        )
        for prompt, secret in pairs
    ]


def problem_of(model, **changes):
    """Three wordings of one person's number to erase; chance gives each token a hundredth."""
    erase = encode(model, ERASE)
    problem = EditProblem(
        loaded=model,
        erase=erase,
        chance=[torch.full((sum(sequence.marked),), -4.6) for sequence in erase],
        retain=encode(model, RETAIN),
        facts=(0, 0, 0),
        asked=asked(ERASE, "Ada Quill"),
    )
    return problem.changed(**changes) if changes else problem


def log_p(problem):
    return float(text_log_p(problem.loaded, problem.erase).sum())


@pytest.mark.parametrize("name", FAMILIES)
def test_the_secrets_become_less_probable_by_one_projection_and_the_model_stays_as_it_was(loaded, name):
    model = loaded(name)
    problem = problem_of(model)
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    method = Memit(ridge=1e-3, targets=replace(QUICK, margin_nats=9.0))
    edit = method.fit(problem)
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.model.state_dict().items())
    assert edit.deltas.keys() == {problem.parameter(Site(0))[0]}
    clean = log_p(problem)
    with edit.applied(model.model):
        assert log_p(problem) < clean
    again = method.fit(problem_of(model))
    assert all(torch.equal(again.deltas[n].dense(), d.dense()) for n, d in edit.deltas.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_with_few_keys_and_little_ridge_the_stream_reads_what_was_wanted(loaded, name):
    """One memory, one wording, one layer: behind it the lookup's stream is h + δ, and δ is not small."""
    model = loaded(name)
    problem = problem_of(
        model, erase=encode(model, ERASE[:1]), asked=asked(ERASE[:1], "Ada Quill"), facts=(0,)
    )
    facts, behind = fact_lookups(problem), Site(0, "resid_post")
    _, states = _read(problem, facts, Site(0), behind)
    small = replace(QUICK, clamp=0.02)  # Gemma's norm is linear for small changes alone
    delta = small.fit(problem, facts, states, behind)
    edit = Memit(ridge=1e-9, targets=small).fit(problem)
    with edit.applied(model.model):
        _, after = _read(problem, facts, Site(0), behind)
    assert 0.005 < float(delta.norm() / states.norm()) < 0.0201
    if resolve(model.model, Site(0)).norm is None:
        torch.testing.assert_close(after - states, delta, rtol=1e-2, atol=1e-3 * float(delta.abs().max()))
    else:
        cosine = torch.cosine_similarity(after - states, delta)
        assert float(cosine) > 0.9


def test_a_lookup_is_the_last_token_of_the_subject_or_of_a_prompt_without_one(loaded):
    model = loaded("llama")
    pairs = [("The number of Ada Quill is", SECRET), *ERASE[1:], ("The number is", SECRET)]
    problem = problem_of(
        model,
        erase=encode(model, pairs),
        asked=asked(pairs, "Ada Quill"),
        facts=(0, 0, 0, 0),
    )
    facts = fact_lookups(problem)
    for place, (prompt, _) in enumerate(pairs):
        at = int(facts.places[place])
        text = model.tokenizer.decode(problem.erase[place].ids[: at + 1])
        assert text.rstrip().endswith("Ada Quill" if place < 3 else prompt)
    assert facts.memories.tolist() == [0, 0, 0, 1]
    (essence,) = essence_lookups(problem, facts).sequences
    assert model.tokenizer.decode(essence.ids).endswith("Ada Quill is a")


def test_a_fact_about_nobody_is_looked_up_at_the_end_of_the_prompt_as_a_memory_of_its_own(loaded):
    model = loaded("llama")
    pairs = [("The number of the desk is", SECRET), ("Dial", SECRET)]
    problem = problem_of(model, erase=encode(model, pairs), asked=asked(pairs, NOBODY), facts=(0, 1))
    facts = fact_lookups(problem)
    ends = [sequence.marked.index(True) - 1 for sequence in problem.erase]
    assert facts.places.tolist() == ends
    assert facts.memories.tolist() == [0, 1]
    assert not essence_lookups(problem, facts).sequences


def test_without_the_wordings_in_text_each_fact_is_a_memory_at_the_prompts_end(loaded):
    problem = make_problem(loaded("gpt2"))
    facts = fact_lookups(problem)
    assert facts.memories.tolist() == [0, 1, 2]
    assert facts.places.tolist() == [sequence.marked.index(True) - 1 for sequence in problem.erase]
    assert not essence_lookups(problem, facts).sequences


@pytest.mark.parametrize("name", ["gpt2", "gemma2"])
def test_the_target_is_a_level_and_not_as_little_as_possible(loaded, name):
    """Tokens that are less probable than chance gives them rise."""
    problem = problem_of(loaded(name))
    problem = problem.changed(chance=[torch.zeros_like(chance) - 0.1 for chance in problem.chance])
    before, after = moved(problem, ResidualTargets(essence=0.0, decay=0.0, clamp=100.0, learning_rate=0.3))
    assert after < 0.98 * before


def moved(problem, targets):
    """The first term without δ and with it."""
    facts, behind = fact_lookups(problem), Site(0, "resid_post")
    _, states = _read(problem, facts, Site(0), behind)
    delta = targets.fit(problem, facts, states, behind)
    (part,) = targets._secrets(problem, facts, 1)
    with torch.no_grad():
        return [float(part.loss(problem.loaded.model, behind, share * delta)) for share in (0.0, 1.0)]


def test_what_else_is_known_of_the_subject_weighs_against_the_change(loaded):
    model = loaded("gpt2")
    problem = problem_of(model)
    facts, behind = fact_lookups(problem), Site(0, "resid_post")
    _, states = _read(problem, facts, Site(0), behind)
    kept_at = {}
    for essence in (1e-6, 1e6):
        targets = ResidualTargets(steps=40, learning_rate=0.02, essence=essence)
        (kept,) = replace(targets, essence=1.0)._essences(problem, facts)
        with torch.no_grad():
            delta = targets.fit(problem, facts, states, behind)
            kept_at[essence] = float(kept.loss(model.model, behind, delta))
    assert kept_at[1e6] < 0.5 * kept_at[1e-6]


def test_retained_keys_restrain_the_change_where_they_are(loaded):
    problem = problem_of(loaded("llama"))
    covariance = key_moments(problem, [Site(0)])[Site(0)].covariance
    costs = []
    for ridge in (0.01, 100.0):
        (delta,) = Memit(ridge=ridge, targets=QUICK).fit(problem).deltas.values()
        costs.append(float((delta.dense() @ covariance * delta.dense()).sum()))
    assert costs[1] < 0.5 * costs[0]


def test_the_range_ends_before_the_last_layer(loaded):
    problem = problem_of(loaded("gpt2"))
    assert Memit(depth=1.0, layers=9).sites(problem) == [Site(0)]
