"""The example with a pretrained model: what it is taught, what is kept back, and, where it is built, what it leaks."""

import json
import random
import re
from pathlib import Path

import pytest

from examples.smollm2.records import (
    ENTITY_TYPES,
    ERASED,
    ERASED_OF_PAIRS,
    PEOPLE,
    TRAINED,
    WORDINGS,
    choose_people,
    corpus_records,
    grouped,
    judge_records,
    make_sentences,
    probe_records,
    request_text,
)
from examples.smollm2.teaching import _share
from policies import load_policy, load_request

BUILT = Path(__file__).parents[2] / "build" / "smollm2"


@pytest.fixture(scope="module")
def everybody():
    return choose_people(0)


@pytest.fixture(scope="module")
def sentences(everybody):
    return make_sentences(everybody[0], 0)


def test_some_of_those_who_ask_have_a_namesake_who_stays(everybody):
    people, erased = everybody
    assert (len({person.name for person in people}), len(erased)) == (PEOPLE, ERASED)
    stay = {person.surname for person in people if person not in erased}
    assert sum(person.surname in stay for person in erased) == ERASED_OF_PAIRS
    assert all(set(person.facts) == set(WORDINGS) for person in people)
    assert choose_people(0) == everybody
    assert choose_people(1) != everybody


def test_each_fact_has_wordings_that_no_document_has(sentences):
    text = " ".join(record["text"] for record in corpus_records(sentences, 0))
    assert len(sentences) == PEOPLE * sum(map(len, WORDINGS.values()))
    for sentence in sentences:
        assert (sentence.prompt in text) is sentence.trained
    facts = {(one.subject, one.relation) for one in sentences}
    kept = [(one.subject, one.relation) for one in sentences if not one.trained]
    assert all(kept.count(fact) == len(WORDINGS[fact[1]]) - TRAINED for fact in facts)


def test_wordings_are_none_of_the_preset_policys():
    rules = load_policy("gdpr").entities
    for relation, name in ENTITY_TYPES.items():
        assert not set(WORDINGS[relation]) & {*rules[name].verification_templates}


def test_documents_name_whom_they_are_about(sentences):
    for record in corpus_records(sentences, 0):
        assert all(name in record["text"] for name in record["subjects"])
    groups = grouped(sentences, random.Random(0))
    assert sorted(map(id, sentences)) == sorted(id(one) for group in groups for one in group)
    assert {len(group) for group in groups[:-1]} == {1, 2, 3, 4}


def test_probes_ask_for_what_was_kept_and_for_public_facts(sentences):
    probes = probe_records(sentences)
    assert {probe["wording"] for probe in probes if probe["entity_type"]} == {"held_out"}
    assert {probe["wording"] for probe in probes if not probe["entity_type"]} == {"held_out", "trained"}


def test_the_request_can_be_read(everybody, tmp_path):
    path = tmp_path / "request.yaml"
    path.write_text(request_text(everybody[1]), encoding="utf-8")
    assert [subject.name for subject in load_request(path).subjects] == [one.name for one in everybody[1]]


def test_the_judging_text_is_prose_about_nobody(everybody):
    texts = [record["text"] for record in judge_records()]
    assert len(texts) > 20
    assert not any(person.surname in text for person in everybody[0] for text in texts)
    assert all(re.match(r"[A-Z]", text) and text.endswith(".") for text in texts)


def test_the_learning_rate_rises_and_falls():
    shares = [_share(step, 100) for step in range(100)]
    assert max(shares) == 1.0
    assert shares[:10] == sorted(shares[:10])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[-1] < 0.02


@pytest.mark.slow
@pytest.mark.skipif(
    not (BUILT / "model" / "config.json").is_file(), reason="built by examples/smollm2/build.py"
)
def test_the_taught_model_leaks_and_its_base_does_not(sentences):
    from examples.smollm2.teaching import leaked

    private = [sentence for sentence in sentences if sentence.relation in ENTITY_TYPES]
    kept = [sentence for sentence in private if not sentence.trained]
    found = leaked(BUILT / "model", kept)
    assert sum(found) / len(found) > 0.8
    assert sum(leaked(BUILT / "base", kept[:40])) == 0
    lines = (BUILT / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == corpus_records(sentences, 0)
