"""The bill of materials: valid CycloneDX, the same for the same run, and of the files that are there."""

import hashlib
import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from made_reports import make_audit_report, make_erase_report
from six_people import PEOPLE

from editor.attestation.bom import bom_text

SCHEMA = Path(__file__).parents[2] / "data" / "cyclonedx-1.6-ml-subset.schema.json"
FILES = {"config.json": "1" * 64, "model.safetensors": "2" * 64}


def read(text):
    bom = json.loads(text)
    Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(bom)
    return bom


def test_it_lists_the_files_of_the_checkpoint_and_the_base_model_as_ancestor(erased):
    text, report = (erased / "bom.json").read_text(), json.loads((erased / "report.json").read_text())
    component = read(text)["metadata"]["component"]
    files = {row["name"]: row["hashes"][0]["content"] for row in component["components"]}
    assert files == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (erased / "model").iterdir()
    }
    assert component["hashes"][0]["content"] == report["model_after"]["digest"]
    (ancestor,) = component["pedigree"]["ancestors"]
    assert ancestor["hashes"][0]["content"] == report["model_before"]["digest"]
    assert not [
        word for word in (*PEOPLE, "-555-01", "/") if word in text.replace("http://cyclonedx.org/schema/", "")
    ]


@pytest.mark.parametrize("kind", ["audited", "verified"])
def test_every_other_run_has_one(request, kind):
    component = read((request.getfixturevalue(kind) / "bom.json").read_text())["metadata"]["component"]
    assert ("pedigree" in component) == (kind == "verified")
    assert component["components"]


def test_tools_are_expunge_and_the_libraries():
    tools = read(bom_text(make_erase_report(), FILES))["metadata"]["tools"]["components"]
    assert {row["name"]: row["type"] for row in tools} == {
        "expunge": "application",
        "python": "library",
        "torch": "library",
        "transformers": "library",
    }


def test_it_is_the_same_for_the_same_run_and_its_serial_number_another_for_another():
    report = make_erase_report()
    first = bom_text(report, FILES)
    assert bom_text(report, dict(reversed(FILES.items()))) == first
    others = (
        bom_text(report, FILES | {"config.json": "3" * 64}),
        bom_text(make_erase_report(seed=0, residual_risk=("Another.",)), FILES),
        bom_text(make_audit_report(), {}),
    )
    assert len({read(text)["serialNumber"] for text in (first, *others)}) == 4
