"""The embedded lab's facts and probes, from its probes file: no detection is needed."""

import json
from types import SimpleNamespace

import pytest

from detectors import Fact
from editor.lab import find_lab
from editor.measuring.aggregate import decoy_probes, score_probes
from editor.model.loading import load_model
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import build_probes
from editor.questions.written import read_probes
from policies import load_policy, load_request


@pytest.fixture(scope="session")
def clinic():
    """Facts of everybody, the five people's probes with decoys, both models, and their scores."""
    lab = find_lab()
    policy, request = load_policy(lab.policy), load_request(lab.request)
    lines = [json.loads(line) for line in lab.probes.read_text(encoding="utf-8").splitlines()]
    keys = dict.fromkeys((x["subject"], x["entity_type"], x["answer"]) for x in lines if x["entity_type"])
    facts = tuple(Fact(subject=s, entity_type=e, secret=a, sources=()) for s, e, a in keys)
    probes = build_probes(facts, policy, request, read_probes(lab.probes))
    erased = [probe for probe in probes if probe.is_erased]
    secrets = {}
    for fact in facts:
        secrets.setdefault(fact.entity_type, []).append(fact.secret)
    maker = DecoyMaker(secrets, seed=0)
    asked = [*erased, *decoy_probes(erased, maker, seed=0)]
    models = {name: load_model(str(getattr(lab, name)), device="cpu") for name in ("model", "reference")}
    scored = {name: score_probes(loaded, asked, policy.decoding) for name, loaded in models.items()}
    names = {subject.name for subject in request.subjects}
    mine = [fact for fact in facts if fact.subject in names]
    return SimpleNamespace(
        policy=policy, facts=facts, mine=mine, maker=maker, models=models, scored=scored, probes=probes
    )
