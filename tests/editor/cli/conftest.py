"""A folder with a policy and the facts of six people, to run commands in."""

import pytest
from six_people import PEOPLE, POLICY

from detectors import Fact, Source, write_facts


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    facts = []
    for number, name in enumerate(PEOPLE):
        prefixes = [f"{name} answers at ", f"The desk calls {name} on ", f"Dial for {name}: "]
        sources = tuple(
            Source(document=f"d{number}-{i}", start=len(p), end=len(p) + 12, score=0.7, prefix=p)
            for i, p in enumerate(prefixes)
        )
        secret = f"415-555-01{number + 10}"
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=sources))
    write_facts(tmp_path / "facts.jsonl", facts)
    return tmp_path
