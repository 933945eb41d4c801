"""Paths as the user would type them, and a case key that is apart from the output and written last."""

import json
import stat

import pytest

from detectors import Fact, Source, write_facts
from editor.api.requests import CaseRequest
from editor.api.running import read_key
from editor.cli import main
from editor.cli.closing import show_cases, shown
from editor.results.report import CaseRow
from policies.errors import OutputError


def test_paths_are_relative_where_that_is_shorter(tmp_path, monkeypatch):
    here = tmp_path / "a" / "b"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    assert shown(here / "out" / "report.html") == "out/report.html"
    assert shown(tmp_path.parent / "out") in ("../../../out", str(tmp_path.parent / "out"))
    assert len(shown(tmp_path.parent / "out")) <= len(str(tmp_path.parent / "out"))
    monkeypatch.chdir(tmp_path)
    top = next(parent for parent in reversed(tmp_path.parents) if parent != parent.parent)
    assert shown(top) == str(top)


def test_each_request_of_a_run_has_its_line(capsys):
    counts = {"subjects": ("subject 00000000",), "facts": 2, "leaked_before": 1, "leaked_after": 0}
    show_cases([CaseRow(case=f"R-{number}", **counts) for number in range(22)])
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[0]) == (21, "R-0: 2 facts, leaked 1 → 0")
    assert lines[-1] == "and 2 more requests, in the report"


def test_key_stands_beside_the_output_and_is_not_written_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    key = read_key(CaseRequest(facts="f", output=tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
    key.store()
    assert [path.name for path in tmp_path.iterdir()] == ["out.key"]


@pytest.mark.parametrize("name", ["out/case.key", "out/deeper/case.key", "out"])
def test_key_in_the_output_folder_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match="lies in the output folder"):
        read_key(CaseRequest(facts="f", output=tmp_path / "out", case_key=tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_an_audit_stores_its_key_and_says_where_the_report_is(tmp_path, monkeypatch, capsys, checkpoint):
    monkeypatch.chdir(tmp_path)
    facts = []
    secrets = {"Ada Quill": "415-555-0132", "Bruno Marsh": "212-867-0188"}
    for name, secret in secrets.items():
        prefix = f"{name} answers at "
        source = Source(
            document=f"about {len(facts)}", start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix
        )
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,)))
    write_facts(tmp_path / "facts.jsonl", facts)
    arguments = ["audit", str(checkpoint("gpt2")), "--facts", "facts.jsonl", "--output", "out", "--quiet"]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    printed = " ".join(capsys.readouterr().out.split())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stopped.value.code == report["exit_code"]
    assert stat.S_IMODE((tmp_path / "out.key").stat().st_mode) == 0o600
    assert len(report["decoy_bits"]) == 101
    assert report["verdict"] in printed
    assert "Report: out/report.html" in printed
