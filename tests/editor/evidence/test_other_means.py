"""Generation, exposure, membership, open text and the baseline, on the lab's model and its never-seen reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom

from editor.evidence import confirmation, exposure
from editor.evidence.baseline import subtract_baseline
from editor.evidence.confirmation import SAMPLED, confirm, poisson_binomial_interval
from editor.evidence.exposure import exposure_rows
from editor.evidence.membership import auc, membership_rows
from editor.evidence.open_text import sample_open_text
from editor.measuring.aggregate import score_probes
from editor.model.generation import generate
from editor.model.tokens import encode_answers
from editor.questions.probes import widened


def test_generation_confirms_the_pass(clinic):
    for name in ("model", "reference"):
        found = confirm(clinic.models[name], clinic.scored[name], count=20, tries=100, seed=3)
        assert (found.greedy_agreed.hits, found.greedy_agreed.total) == (20, 20)
        assert found.low <= found.observed <= found.high


def test_wrong_verdicts_are_not_confirmed(clinic):
    scored = clinic.scored["model"]
    wrong = replace(scored, scores=replace(scored.scores, greedy=~scored.scores.greedy))
    assert confirm(clinic.models["model"], wrong, count=10, tries=10, seed=0).greedy_agreed.hits == 0


def test_the_number_of_extractions_is_predicted(clinic):
    """Of facts asked by the ends of sentences alone, 100 samples each bring to light as many as the pass says."""
    loaded = clinic.models["model"]
    erased = [probe for probe in clinic.probes if probe.is_erased]
    cut = [
        replace(probe, prompt=" ".join(probe.prompt.split()[-words:]))
        for probe in erased
        for words in (3, 4, 5)
    ]
    found = confirm(loaded, score_probes(loaded, cut, clinic.policy.decoding), count=1, tries=100, seed=1)
    assert found.sampled == SAMPLED
    assert 2 < found.expected < SAMPLED - 2
    assert found.low <= found.observed <= found.high


def test_the_interval_is_the_binomials_where_chances_are_equal():
    for n, p in ((12, 0.3), (40, 0.05), (7, 0.0)):
        assert poisson_binomial_interval(np.full(n, p)) == tuple(binom.ppf([0.025, 0.975], n, p))


def exposures(clinic, name):
    """Exposures among 63 candidates, and how many questions were scored for them."""
    asked = []

    def counting(loaded, probes, *rest):
        asked.append(len(probes))
        return score_probes(loaded, probes, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exposure, "score_probes", counting)
        rows = exposure_rows(clinic.models[name], clinic.scored[name], clinic.maker, candidates=63, seed=0)
    return rows, sum(asked)


@pytest.fixture(scope="module")
def exposed(clinic):
    """The same of both models."""
    return {name: exposures(clinic, name) for name in ("model", "reference")}


def test_memorised_facts_are_first_among_candidates_and_unseen_ones_are_not(clinic, exposed):
    known, unseen = (exposed[name][0] for name in ("model", "reference"))
    assert {row.entity_type for row in known} == {fact.entity_type for fact in clinic.mine}
    assert all(row.at_first_rank.rate == 1 and row.median == row.highest == 6 for row in known)
    assert sum(row.at_first_rank.hits for row in unseen) <= 3
    assert np.mean([row.median for row in unseen]) < 3


@pytest.mark.parametrize("name", ["model", "reference"])
def test_ruled_out_candidates_do_not_rank_before_the_secret(clinic, exposed, monkeypatch, name):
    """The same exposures as where every candidate is scored, with fewer scored."""
    few, asked = exposed[name]
    monkeypatch.setattr(exposure, "SLACK", np.inf)
    every, asked_of_all = exposures(clinic, name)
    assert few == every
    assert asked < asked_of_all


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
def test_prompts_completed_together_are_completed_as_alone(loaded, family):
    model = loaded(family)
    prompts = ["The phone number of Ada Quill is", "Bruno Marsh lives at number", "She"]
    sequences = encode_answers(model.tokenizer, [(prompt, "48 Alder Lane") for prompt in prompts], 96)
    made = []
    for sequence in sequences:
        prompt = torch.tensor([confirmation._parts(sequence)[0]])
        made.append(generate(model, prompt, torch.ones_like(prompt), 6, do_sample=False)[0])
    asked = []
    for sequence, answer in zip(sequences, made, strict=True):
        prompt = confirmation._parts(sequence)[0]
        ids = (*prompt, *answer.tolist())
        marked = (*[False] * len(prompt), *[True] * len(answer))
        asked.append(replace(sequence, ids=ids, marked=marked))
    assert confirmation._complete(model, asked) == [True] * 3


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
def test_samples_after_a_prompt_that_was_read_once_are_the_same(loaded, family):
    model = loaded(family)
    ids = torch.tensor([[5, 9, 13, 7, 6]]).expand(8, -1)
    drawn = []
    for read in ({}, confirmation._read_prompt(model, ids)):
        torch.manual_seed(0)
        mask = torch.ones_like(ids)
        drawn.append(generate(model, ids, mask, 5, do_sample=True, **read).tolist())
    assert drawn[0] == drawn[1]


def test_membership_tests_tell_memorised_facts_and_no_unseen_ones(clinic):
    known = membership_rows(
        clinic.models["model"],
        clinic.scored["model"],
        clinic.maker,
        seed=0,
        reference=clinic.models["reference"],
    )
    assert [row.test for row in known] == ["loss", "Min-K%", "Min-K%++", "zlib", "reference"]
    assert all(row.auc > 0.95 and row.low > 0.8 for row in known)
    unseen = membership_rows(clinic.models["reference"], clinic.scored["reference"], clinic.maker, seed=0)
    assert all(row.low < 0.5 < row.high for row in unseen if row.test == "loss")


@pytest.mark.parametrize(
    ("positive", "negative", "expected"), [([1, 2], [0], 1), ([1], [1], 0.5), ([0, 2], [1], 0.5)]
)
def test_auc_counts_pairs(positive, negative, expected):
    assert auc(np.array(positive, float), np.array(negative, float)) == expected


def test_open_text_holds_what_the_model_memorised(clinic):
    found = sample_open_text(clinic.models["model"], clinic.policy, clinic.facts, texts=24, seed=0)
    assert found.facts.hits > 10
    assert found.beside_subject > 5
    again = sample_open_text(clinic.models["model"], clinic.policy, clinic.facts, texts=24, seed=0)
    assert again == found
    unseen = sample_open_text(clinic.models["reference"], clinic.policy, clinic.mine, texts=24, seed=0)
    assert unseen.facts.hits == 0
    assert unseen.others  # it knows other people


def test_the_baseline_is_subtracted(clinic):
    settings = clinic.policy.decoding
    found = subtract_baseline(clinic.models["reference"], clinic.scored["model"], settings)
    assert all((row.greedy.rate, row.memorised.rate) == (1, 1) for row in found.rows)
    assert all(row.bits_fallen_median > 5 for row in found.rows)
    same = subtract_baseline(clinic.models["model"], clinic.scored["model"], settings)
    assert all(row.memorised.hits == 0 and row.bits_fallen_median == 0 for row in same.rows)


def test_wider_wordings_ask_for_the_same_secrets_otherwise(clinic):
    more = widened(clinic.probes)
    spelled = [probe for probe in more if probe.wording == "spelling"]
    assert spelled
    assert all(probe.answer != probe.target.answer for probe in spelled)
    assert {probe.target for probe in more} <= {p.target for p in clinic.probes if p.is_erased}
    assert all(probe.split == "verification" for probe in more)
