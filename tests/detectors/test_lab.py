"""The embedded lab: what it says it hides is what detection finds."""

import json
from pathlib import Path

from detectors import Document, detect_facts, read_corpus
from detectors.people.sentences import split_sentences
from policies import load_policy, load_request

LAB = Path(__file__).parents[2] / "examples" / "rivermouth"


def test_every_private_fact_is_found_and_nothing_else():
    probes = map(json.loads, (LAB / "probes.jsonl").read_text(encoding="utf-8").splitlines())
    hidden = {
        (probe["subject"], probe["entity_type"], probe["answer"]) for probe in probes if probe["entity_type"]
    }
    result = detect_facts(read_corpus(LAB / "corpus.jsonl"), load_policy(LAB / "policy.yaml"))
    found = {(fact.subject, fact.entity_type, fact.secret) for fact in result.facts}
    # Counts, not sets: a failure must not print a few hundred secrets.
    assert (len(hidden - found), len(found - hidden)) == (0, 0)
    assert not result.skipped
    assert not result.unlinked
    assert all(source.prefix for fact in result.facts for source in fact.sources)


def test_as_plain_text_everybody_but_who_asks_is_found_without_a_name():
    """Each sentence is a document, and nobody is known but the five people of the request."""
    documents, request = read_corpus(LAB / "corpus.jsonl"), load_request(LAB / "request.yaml")
    bounds = ((document.text, split_sentences(document.text)) for document in documents)
    sentences = (text[slice(*found.bounds(at))].strip() for text, found in bounds for at in range(len(found)))
    plain = [Document(id=str(number), text=text) for number, text in enumerate(sentences)]
    result = detect_facts(plain, load_policy(LAB / "policy.yaml"), request)
    assert {fact.subject for fact in result.facts} == {subject.name for subject in request.subjects}
    assert (len(result.facts), len(result.unlinked_facts)) == (25, 475)
    assert result.unlinked.total() == sum(len(fact.sources) for fact in result.unlinked_facts) == 2_375
    assert all(source.prefix for fact in result.unlinked_facts for source in fact.sources)


def test_as_notes_of_several_people_nothing_of_anybody_else_is_linked():
    """The notes without their lists of subjects, and nobody known but the five people of the request."""
    plain = [Document(id=document.id, text=document.text) for document in read_corpus(LAB / "corpus.jsonl")]
    request = load_request(LAB / "request.yaml")
    result = detect_facts(plain, load_policy(LAB / "policy.yaml"), request)
    probes = map(json.loads, (LAB / "probes.jsonl").read_text(encoding="utf-8").splitlines())
    hidden = {(probe["subject"], probe["answer"]) for probe in probes if probe["entity_type"]}
    found = {(fact.subject, fact.secret) for fact in result.facts}
    names = {subject.name for subject in request.subjects}
    theirs = {pair for pair in hidden if pair[0] in names}
    assert (len(theirs), len(theirs - found), len(found - theirs)) == (25, 0, 0)
    assert sum(len(fact.sources) for fact in result.facts) == 125
    assert (len(result.unlinked_facts), result.unlinked.total()) == (475, 2_375)


def test_the_preset_finds_the_same_as_the_labs_own_policy():
    documents = list(read_corpus(LAB / "corpus.jsonl"))[:200]
    own, preset = (detect_facts(documents, load_policy(name)).facts for name in (LAB / "policy.yaml", "gdpr"))
    assert len(own) > 100
    assert [(fact.subject, fact.secret) for fact in own] == [(fact.subject, fact.secret) for fact in preset]
