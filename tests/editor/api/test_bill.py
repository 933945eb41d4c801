"""The bill of materials of the installation: every package that Expunge needs, with a licence that is no copyleft."""

import json
import re
from importlib.metadata import requires

import pytest

from editor.api.doctor.bill import installation_bom, installed_packages, write_bom
from editor.api.doctor.packages import REQUIREMENT
from policies.errors import OutputError

COPYLEFT = re.compile(r"\bA?GPL|GNU (?:Affero )?General Public", re.IGNORECASE)


@pytest.fixture(scope="module")
def bom():
    return json.loads(installation_bom())


def test_every_dependency_is_in_it_and_nothing_of_development(bom):
    needed = [line for line in requires("expunge") if "extra" not in line]
    named = {REQUIREMENT.match(line)["name"].lower() for line in needed}
    found = {one["name"] for one in bom["components"]}
    assert named <= found
    assert not {"pytest", "ruff", "mypy", "import-linter"} & found
    assert (bom["metadata"]["component"]["name"], bom["metadata"]["component"]["type"]) == (
        "expunge",
        "application",
    )


def test_what_it_refers_to_is_there(bom):
    parts = [bom["metadata"]["component"], *bom["components"]]
    references = [one["bom-ref"] for one in parts]
    assert len(references) == len(set(references))
    assert {row["ref"] for row in bom["dependencies"]} == set(references)
    assert {name for row in bom["dependencies"] for name in row["dependsOn"]} <= set(references)
    assert all(one["purl"] == one["bom-ref"] for one in parts)
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@[\w.%!-]+", one["purl"]) for one in parts)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bom["serialNumber"])


def test_licenses_are_stated_and_no_copyleft():
    packages = installed_packages()
    assert [name for name, one in packages.items() if any(map(COPYLEFT.search, one.licenses))] == []
    direct = [packages[name] for name in packages["expunge"].needs]
    assert [one.name for one in direct if not one.licenses] == []


def test_the_same_packages_give_the_same_bytes(bom):
    assert json.loads(installation_bom()) == bom


def test_a_file_that_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("editor.api.doctor.bill.installation_bom", lambda: "{}")
    path = tmp_path / "bom.json"
    write_bom(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        write_bom(path)
    assert path.read_bytes() == before
    with pytest.raises(OutputError, match="cannot be written"):
        write_bom(tmp_path / "no" / "bom.json")


@pytest.mark.parametrize(
    ("line", "name", "extras", "bound"),
    [
        ("click>=8.2", "click", None, "8.2"),
        ("huggingface-hub[hf_xet, torch]<3.0,>=1.3", "huggingface-hub", "hf_xet, torch", "1.3"),
        ('tomli; python_version < "3.11"', "tomli", None, None),
        ("ruamel.yaml (>=0.17)", "ruamel.yaml", None, "0.17"),
    ],
)
def test_a_requirement_is_read(line, name, extras, bound):
    read = REQUIREMENT.match(line)
    assert (read["name"], read["extras"], read["bound"]) == (name, extras, bound)
