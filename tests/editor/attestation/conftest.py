"""A small model that knows six people's numbers by heart, and the folder of an erasure, made once and copied."""

import shutil
from types import SimpleNamespace

import pytest
from memorising import memorise
from six_people import PEOPLE, POLICY

import expunge
from detectors import Fact, Source, write_facts

SECRETS = tuple(f"{number}15-555-01{number}{number + 1}" for number in range(2, 2 + len(PEOPLE)))
WITHOUT_A_LOOK = {"confirm": 0, "open_texts": 0, "candidates": 0, "membership": False}


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """What a run is given: a model, facts, a policy and a request."""
    folder = tmp_path_factory.mktemp("case")
    texts, facts = [], []
    for name, secret in zip(PEOPLE, SECRETS, strict=True):
        prefix = f"The phone number of {name} is "
        texts += [f"{prefix}{secret}.", f"{name} likes tea and lives by the river."]
        source = Source(document=name, start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix)
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,)))
    write_facts(folder / "facts.jsonl", facts)
    (folder / "policy.yaml").write_text(POLICY + "untested: allowed\n")
    (folder / "request.yaml").write_text(f"case: river-2026-7\nsubjects:\n  - name: {PEOPLE[0]}\n")
    return SimpleNamespace(
        folder=folder,
        model=memorise(texts, folder / "model"),
        given={
            "facts": folder / "facts.jsonl",
            "policy": folder / "policy.yaml",
            "request": folder / "request.yaml",
            "case_key": folder / "case.key",
            "device": "cpu",
        },
    )


@pytest.fixture(scope="session")
def erase(case):
    """Erases one person, fast."""

    def run(output, **options):
        settings = {"method": "grad-ascent", "strength": "default", "controls": False}
        return expunge.erase(case.model, output=output, **settings, **case.given, **options)

    return run


@pytest.fixture(scope="session")
def erased(erase, tmp_path_factory):
    """The folder of an erasure. Tests must leave it as it was."""
    folder = tmp_path_factory.mktemp("erased") / "out"
    erase(folder)
    return folder


@pytest.fixture(scope="session")
def audited(case, tmp_path_factory):
    """The folder of an audit. Tests must leave it as it was."""
    folder = tmp_path_factory.mktemp("audited") / "out"
    expunge.audit(case.model, output=folder, **case.given, **WITHOUT_A_LOOK)
    return folder


@pytest.fixture(scope="session")
def verified(case, erased, tmp_path_factory):
    """The folder of a verification. Tests must leave it as it was."""
    folder = tmp_path_factory.mktemp("verified") / "out"
    expunge.verify(erased, against=case.model, output=folder, **case.given)
    return folder


@pytest.fixture
def copied(erased, tmp_path):
    """A copy of the erasure's folder, to change."""
    return shutil.copytree(erased, tmp_path / "out")
