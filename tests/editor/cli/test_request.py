"""`expunge request` from its opening to the letter, as a privacy officer uses it."""

import io
import json
import sys

import pytest
from made_runs import KEY, made_report, write_run

from editor.artefacts.masking import CaseKey
from editor.cli import main
from policies import load_request

FACTS = [("Ada Quill", "PHONE_NUMBER", "415-555-0101"), ("Bruno Marsh", "US_SSN", "123-45-6789")]
PERSONAL = ("Ada", "Quill", "Bruno", "Marsh", "555", "45-67")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a command about requests on a day, and returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, today="2026-02-02"):
        given = [*arguments] if arguments[0] in ("letter", "--help") else [*arguments, "--today", today]
        with pytest.raises(SystemExit) as stopped:
            main(["request", *map(str, given)])
        said = capsys.readouterr()
        return stopped.value.code, said.out + said.err

    return call


@pytest.fixture
def two(run):
    """Two requests, the second of which is more urgent."""
    for case, name, received in (("one", "Ada Quill", "2026-01-31"), ("two", "Bruno Marsh", "2025-12-31")):
        assert run("new", "--subject", name, "--case", case, "--received", received)[0] == 0


@pytest.fixture
def erased(tmp_path):
    return write_run(tmp_path / "erased", made_report(FACTS, CaseKey(KEY)))


@pytest.mark.usefixtures("erased")
def test_from_opening_to_the_letter(run, tmp_path):
    code, said = run("new", "--subject", "Ada Quill", "--alias", "A. Quill", "--received", "2026-01-31")
    case = next((tmp_path / "requests").iterdir()).name
    assert (code, said.splitlines()[0]) == (0, f"{case} is open. The answer is due by 2026-02-28.")
    code, listed = run("list")
    assert code == 0
    assert listed.splitlines()[-1] == "1 request"
    assert [case, "2026-01-31", "2026-02-28", "26", "days", "open"] == listed.splitlines()[1].split()
    assert run("extend", case, "--reason", "many requests")[1].startswith(
        f"{case}: the answer is due by 2026-04-30"
    )
    code, shown = run("show", case, "--runs", tmp_path)
    assert code == 0
    assert "Run:        erase, policy met, as recorded" in shown
    code, said = run("close", case, "--run", "erased")
    assert (code, said.startswith(f"{case} is closed. The letter: ")) == (0, True)
    code, letter = run("letter", case)
    assert (code, letter.startswith("# Your request for erasure: what was done")) == (0, True)
    assert not [word for word in PERSONAL if word in listed + shown + said + letter]
    assert run("list")[1] == "0 requests\n"
    assert "closed" in run("list", "--all")[1]
    assert run("letter", case, "--output", "letter.md")[0] == 0
    assert (tmp_path / "letter.md").read_text() == letter
    code, said = run("letter", case, "--output", "letter.md")
    assert (code, "letter.md exists" in said) == (2, True)


@pytest.mark.usefixtures("two")
def test_a_list_is_narrow_and_urgent_first_and_names_nobody(run):
    _, said = run("list")
    assert [line.split()[0] for line in said.splitlines()] == ["case", "two", "one", "2"]
    assert "2 days overdue" in said
    assert said.endswith("2 requests, 1 overdue\n")
    assert not [word for word in PERSONAL if word in said]
    assert max(map(len, run("list", "--names")[1].splitlines())) <= 80
    assert "Bruno Marsh" in run("list", "--names")[1]
    rows = json.loads(run("list", "--json")[1])["requests"]
    assert rows[0] == {
        "case": "two",
        "received": "2025-12-31",
        "deadline": "2026-01-31",
        "extended": False,
        "days_left": -2,
        "overdue": True,
        "state": "open",
    }
    assert json.loads(run("list", "--json", "--names")[1])["requests"][1]["names"] == ["Ada Quill"]
    assert "today" in run("list", today="2026-02-28")[1]


def test_a_long_name_leaves_the_list_narrow(run):
    name = " ".join(["Wolfeschlegelsteinhausenbergerdorff"] * 4)
    run("new", "--subject", name, "--case", "c" * 64)
    said = run("list", "--names")[1]
    assert max(map(len, said.splitlines())) <= 80
    assert "2026-03-02" in said


@pytest.mark.parametrize("source", ["-", "secrets.yaml"])
def test_secrets_come_from_a_file_or_from_standard_input(run, tmp_path, monkeypatch, source):
    text = "PHONE_NUMBER: ['0415-555-0101']\n"
    (tmp_path / "secrets.yaml").write_text(text)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, said = run("new", "--subject", "Ada Quill", "--secrets", source, "--case", "one")
    assert code == 0, said
    request = load_request(tmp_path / "requests" / "one" / "request.yaml")
    assert request.subjects[0].secrets == (("PHONE_NUMBER", "0415-555-0101"),)
    said = run("show", "one")[1]
    assert "Handed in:  PHONE_NUMBER 1" in said
    assert "555" not in said + run("show", "one", "--names", "--json")[1]


@pytest.mark.usefixtures("two")
def test_a_request_is_closed_without_an_erasure_for_a_reason(run):
    assert run("close", "one", "--without-erasure", "--reason", "not in the text")[0] == 0
    code, letter = run("letter", "one")
    assert (code, "The reason: not in the text" in letter) == (0, True)
    assert "without an erasure, because: not in the text" in run("show", "one")[1]
    said = run("close", "two", "--without-erasure", "--reason", "not in the text")[1]
    assert said.startswith("two is closed, 2 days late.")


@pytest.mark.usefixtures("two", "erased")
@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("new", "--subject", "ada quill"), "Request one, received on 2026-01-31, is not closed"),
        (("new", "--subject", "Cora", "--received", "soon"), "'soon' is no date"),
        (("new", "--subject", "Cora", "--received", "2026-02-03"), "after today"),
        (("new", "--subject", " "), "The data subject of the command line"),
        (("new", "--subject", "Cora", "--secrets", "nowhere"), "file of secrets nowhere cannot be read"),
        (("list", "--folder", "nowhere"), "There is no folder nowhere"),
        (("show", "three"), "There is no request three"),
        (("show", "one", "--ledger", "nowhere"), "There is no ledger nowhere"),
        (("extend", "two", "--reason", "late"), "first month ended on 2026-01-31"),
        (("close", "one"), "Give --run FOLDER, or --without-erasure and --reason"),
        (("close", "one", "--run", "erased", "--reason", "r"), "Give --run FOLDER"),
        (("close", "one", "--without-erasure"), "Give --run FOLDER"),
        (("close", "one", "--run", "requests"), "holds no report"),
        (("letter", "one"), "No run that dealt with request one"),
    ],
)
def test_what_cannot_be_done_has_its_cause_and_exit_code(run, tmp_path, command, cause):
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, said = run(*command)
    assert (code, cause in " ".join(said.split())) == (2, True), said
    assert not [word for word in ("Quill", "Marsh", "Cora") if word in said]
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
