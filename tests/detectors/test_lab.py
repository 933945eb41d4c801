"""The embedded lab: what it says it hides is what detection finds."""

import json
from pathlib import Path

from detectors import detect_facts, read_corpus
from policies import load_policy

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


def test_the_preset_finds_the_same_as_the_labs_own_policy():
    documents = list(read_corpus(LAB / "corpus.jsonl"))[:200]
    own, preset = (detect_facts(documents, load_policy(name)).facts for name in (LAB / "policy.yaml", "gdpr"))
    assert len(own) > 100
    assert [(fact.subject, fact.secret) for fact in own] == [(fact.subject, fact.secret) for fact in preset]
