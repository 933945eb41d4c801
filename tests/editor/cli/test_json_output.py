"""`--json` on every command: one object on standard output, whatever came of it, and nothing beside it."""

import json
from pathlib import Path

import click
import pytest
from every_command import every_command
from made_arms import make_arms, make_comparison
from made_reports import MAKERS

from editor.attestation.findings import CheckedReport, Finding
from editor.cli import cli, compare, json_output, main
from editor.cli.closing import show_checked, show_report
from editor.results.report import Report
from policies.errors import ExitCode

ALIKE = ("--device", "--dtype", "--revision", "--batch-size", "--trust-remote-code", "--quiet", "--json")
"""Options that mean the same everywhere; `dictionary train` has its own --batch-size."""


COMMANDS = [(words, one) for words, one in every_command() if not isinstance(one, click.Group)]


def options_of(command):
    return {name: option for option in command.params for name in option.opts if name.startswith("--")}


@pytest.fixture
def asked():
    """A command that was given --json."""
    with click.Context(cli, info_name="expunge") as above, click.Context(cli, above, "audit") as context:
        context.meta[json_output.KEY] = True
        yield context


def test_every_command_has_it():
    assert [words for words, command in COMMANDS if "--json" not in options_of(command)] == []


@pytest.mark.parametrize("name", ALIKE)
def test_an_option_is_the_same_in_every_command(name):
    found = {
        (option.help, option.default, str(option.type))
        for words, command in COMMANDS
        if (option := options_of(command).get(name)) and (words[-1], name) != ("train", "--batch-size")
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("audit", "no/such/model", "--facts", "f.jsonl", "--output", "out"), "no/such/model does not exist"),
        (("audit", "model"), "Missing option '--output'. A new folder."),
        (("audit", "model", "--output", "out"), "Neither a corpus nor facts were named"),
    ],
)
def test_a_command_that_fails_says_why(capsys, tmp_path, monkeypatch, arguments, cause):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--json"])
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert (stopped.value.code, said["exit_code"]) == (2, 2)
    assert cause in said["error"]["cause"]
    assert cause in captured.err


@pytest.mark.parametrize("kind", sorted(MAKERS))
@pytest.mark.usefixtures("asked")
def test_a_report(capsys, kind):
    report: Report = MAKERS[kind]()
    show_report(report, Path("out"))
    said = json.loads(capsys.readouterr().out)
    assert said["command"] == "audit"
    assert (said["exit_code"], said["verdict"]) == (report.exit_code, report.verdict)
    assert [row["measure"] for row in said["criteria"]] == [row.measure for row in report.criteria]
    assert said["facts"] == report.scope.facts_in_scope
    assert ("checkpoint" in said["files"]) is (kind == "erase")


@pytest.mark.usefixtures("asked")
def test_a_comparison_and_a_checked_folder(capsys):
    comparison = make_comparison(
        make_arms(seeds=1, facts=3, questions=4, families=["feature-edit", "npo-lora"])
    )
    compare._show(comparison, Path("out"), ExitCode.MET)
    said = json.loads(capsys.readouterr().out)
    assert {row["arm"] for row in said["points"]["policy"]} == {one.arm for one in comparison.arms}
    found = (Finding("a digest is another"), Finding("no key was given", "unchecked"))
    show_checked(CheckedReport(folder=Path("out"), findings=found, report=None))
    said = json.loads(capsys.readouterr().out)
    assert (said["exit_code"], said["disagreements"], said["unchecked"]) == (
        2,
        ["a digest is another"],
        ["no key was given"],
    )


@pytest.mark.usefixtures("asked")
def test_what_json_has_not(capsys):
    json_output.print_result(0, path=Path("a/b"), none=float("nan"), most=float("inf"), pair=(1, None))
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "command": "audit",
        "exit_code": 0,
        "path": "a/b",
        "none": None,
        "most": None,
        "pair": [1, None],
    }


def test_tables_where_it_is_not_asked_for(capsys):
    show_report(MAKERS["audit"](), Path("out"))
    assert "Report:" in capsys.readouterr().out
