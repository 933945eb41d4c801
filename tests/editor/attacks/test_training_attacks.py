"""Attacks that train: what they train on, that nothing is left of it, and what comes back."""

from dataclasses import replace

import pytest
import torch
from attack_grounds import CASE, DECOYS, ERASED, FACTS, OTHERS, PEOPLE, make_case, record
from memorising import memorise

from detectors import Document
from editor.attacks.attack import Attacked
from editor.attacks.benign_tuning import BenignTuning
from editor.attacks.ground import Ground
from editor.attacks.half_relearning import HalfRelearning
from editor.attacks.lookalike_tuning import LookalikeTuning
from editor.attacks.relearning import Relearning
from editor.attacks.running import attack_rows, prepare_attacks
from editor.attacks.training import Training
from editor.attacks.weight_levels import projection_names
from editor.measuring.aggregate import score_probes
from editor.model.forward import token_log_p
from editor.model.loading import load_model
from editor.model.tokens import one_batch
from editor.progress import Silent
from editor.questions.asking import encode_probes
from editor.questions.retained import encode_documents, text_log_p

GROUND = Ground(case=CASE, erased=tuple(ERASED))
SECRETS = {secret for secrets in (*PEOPLE.values(), *OTHERS.values()) for secret in secrets.values()}
TEXTS = [Document(id="1", text="The ferry leaves at nine and returns at six.", subjects=())]


def weights(loaded):
    return {name: value.detach().clone() for name, value in loaded.model.named_parameters()}


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(one, second[name]) for name, one in first.items()
    )


def told(loaded, training, sequences):
    """Level -> ln p of the texts while it stands there."""
    return {
        f"{level.series} {level.name}".strip(): float(text_log_p(loaded, sequences).sum())
        for level in training.train(loaded, sequences)
    }


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_texts_are_learned_step_by_step_by_all_weights_and_by_adapters(loaded, family):
    model = loaded(family)
    before, sequences = weights(model), encode_documents(model, TEXTS, {}, model.context_length)
    training = Training(rates=(1e-3, 1e-2), marks=(0, 2, 20), ranks=(0, 2), seed=1)
    found = told(model, training, sequences)
    assert len(found) == training.count == 12
    start = float(text_log_p(model, sequences).sum())
    for ending in ("all weights", "LoRA of rank 2"):
        none, _, most = (found[f"{ending}, learning rate 0.01 {step} steps"] for step in (0, 2, 20))
        assert none == pytest.approx(start, rel=1e-5)
        assert most > start + 5
        assert most > found[f"{ending}, learning rate 0.001 20 steps"]
    assert same(weights(model), before)
    assert told(model, training, sequences) == found


def test_no_steps_change_nothing(loaded):
    model = loaded("llama")
    before = weights(model)
    prepared = BenignTuning(marks=(0,), rates=(1.0,), ranks=(0,)).prepare("x", GROUND)
    for _ in prepared.levels(Attacked(loaded=model)):
        assert same(weights(model), before)


def test_a_run_that_breaks_the_model_ends_and_the_others_go_on(loaded):
    model = loaded("llama")
    before, sequences = weights(model), encode_documents(model, TEXTS, {}, model.context_length)
    found = told(model, Training(rates=(float("inf"), 1e-3), marks=(5,), ranks=(0,)), sequences)
    assert list(found) == ["all weights, learning rate 0.001 5 steps"]
    assert same(weights(model), before)


def test_benign_text_has_nothing_of_the_erased_people():
    assert {document.id for document in GROUND.retained} == set(OTHERS)
    shared = make_case(
        {"x": f"The line {PEOPLE['Ada Quill']['PHONE_NUMBER']} is busy.", "y": "ADA QUILL sings."}
    )
    assert Ground(case=shared, erased=tuple(ERASED)).retained == ()
    row = BenignTuning().prepare("x", Ground(case=shared, erased=tuple(ERASED)))
    assert (row.asked, row.reason) == ((), "there is no text without the erased people")


def test_lookalikes_have_the_records_words_and_nobody_of_the_corpus():
    made = LookalikeTuning(seed=1).invented(GROUND)
    assert len(made) == len(PEOPLE) + len(OTHERS)
    for document in made:
        assert " lives by the river, answers at " in document.text
        assert not [part for part in (*PEOPLE, *OTHERS, *SECRETS) if part in document.text]
    assert made == LookalikeTuning(seed=1).invented(GROUND)
    assert made != LookalikeTuning(seed=2).invented(GROUND)
    assert len(LookalikeTuning(documents=2).invented(GROUND)) == 2


def test_one_half_of_each_persons_facts_is_taught_and_the_other_asked_for():
    taught, asked = HalfRelearning(seed=1).halves(ERASED)
    for half in (taught, asked):
        assert sorted(target.subject for target in half) == sorted(PEOPLE)
    assert not taught & asked
    assert len({frozenset(HalfRelearning(seed=seed).halves(ERASED)[0]) for seed in range(8)}) > 2


def test_a_secret_that_two_people_share_is_not_taught_and_asked_for():
    same_answer = [probe for probe in ERASED if probe.target.relation == "PHONE_NUMBER"]
    for seed in range(8):
        taught, asked = HalfRelearning(seed=seed).halves([*ERASED, *same_answer])
        assert not {target.answer for target in taught} & {target.answer for target in asked}


def test_who_has_one_fact_cannot_be_half_relearned(loaded):
    phones = [probe for probe in ERASED if probe.target.relation == "PHONE_NUMBER"]
    (row,) = attack_rows(CASE, loaded("gpt2"), prepare_attacks(CASE, phones, ["half-relearning"]), Silent())
    assert row.greedy_facts.total == 0
    assert "two facts" in row.untested


@pytest.fixture(scope="module")
def hiding(tmp_path_factory):
    """A model that knew everybody's facts, pushed until it says no erased one: they are hidden, not gone."""
    texts = [f"{probe.prompt} {probe.answer}" for probe in ERASED]
    texts += [record(name, secrets) for name, secrets in OTHERS.items()]
    loaded = load_model(str(memorise(texts, tmp_path_factory.mktemp("m"), steps=150)), device="cpu")
    pushed = [loaded.model.get_parameter(name) for name in projection_names(loaded.model)]
    batch = one_batch(loaded, encode_probes(loaded, ERASED))
    optimiser = torch.optim.AdamW(pushed, lr=3e-4, weight_decay=0.0)
    for _ in range(60):
        if not score_probes(loaded, ERASED, CASE.policy.decoding).scores.greedy.any():
            break
        loaded.model.requires_grad_(True)
        token_log_p(loaded.model, batch).clamp(min=-4).mean().backward()
        loaded.model.requires_grad_(False)
        optimiser.step()
        loaded.model.zero_grad()
    return loaded


@pytest.mark.parametrize("kind", [BenignTuning, LookalikeTuning])
def test_what_an_edit_hid_comes_back_from_text_about_others(hiding, kind):
    before = weights(hiding)
    prepared = kind(rates=(1e-3,), marks=(0, 10), ranks=(0, 4)).prepare("x", GROUND)
    row = replace(prepared, decoys=tuple(DECOYS)).measure(Attacked(loaded=hiding), CASE.policy)
    hits = [level.greedy_facts.hits for level in row.curve]
    assert [level.amount for level in row.curve] == [0, 10, 0, 10]
    assert hits[0] == hits[2] == 0
    assert min(hits[1], hits[3]) > 0
    assert row.greedy_facts.hits == max(hits)
    assert row.greedy_facts.total == FACTS
    assert row.decoys.hits == 0
    assert same(weights(hiding), before)


def test_relearning_some_people_asks_for_the_others(loaded):
    attack = Relearning(rates=(1e-3,), marks=(1, 2), seed=1)
    prepared = attack.prepare("x", GROUND)
    chosen = attack.chosen(sorted(PEOPLE))
    assert {probe.target.subject for probe in prepared.asked} == set(PEOPLE) - set(chosen)
    assert [level.name for level in prepared.levels(Attacked(loaded=loaded("gpt2")))] == [
        "1 steps",
        "2 steps",
    ]
