"""The ledger: appended, chained, whole, and checked against the folders that it is about."""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from forging import attest_anew
from six_people import PEOPLE

import expunge
from editor.attestation.ledger import Ledger
from editor.cli import main
from editor.results.report import Report
from policies.errors import ExitCode, OutputError


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def report(erased):
    return Report.from_json((erased / "report.json").read_text(encoding="utf-8"))


@pytest.fixture
def chain(tmp_path, erased, report):
    """A ledger of three lines, all about the same folder."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for _ in range(3):
        ledger.append(erased, report)
    return ledger


def test_an_erasure_adds_its_line_and_the_next_one_is_chained_to_it(erase, tmp_path):
    path = tmp_path / "ledger.jsonl"
    for name in ("one", "two"):
        erase(tmp_path / name, ledger=path, attacks="none")
    first, second = lines(path)
    entry = json.loads(first)
    data = json.loads((tmp_path / "one" / "report.json").read_text())
    manifest = (tmp_path / "one" / "manifest.json").read_bytes()
    assert entry == {
        "version": 1,
        "number": 1,
        "previous": "0" * 64,
        "case": json.loads(manifest)["inputs"]["case"],
        "time": json.loads(manifest)["ended"],
        "checkpoint_before": data["model_before"]["digest"],
        "checkpoint_after": data["model_after"]["digest"],
        "policy": data["policy"]["digest"],
        "verdict": data["verdict"],
        "exit_code": 0,
        "manifest": hashlib.sha256(manifest).hexdigest(),
    }
    assert json.loads(second)["previous"] == hashlib.sha256(first.encode()).hexdigest()
    assert not [word for word in (*PEOPLE, "-555-01", "river-2026-7") if word in path.read_text()]
    for name in ("one", "two"):
        assert expunge.verify_report(tmp_path / name, ledger=path).exit_code == ExitCode.MET


def test_every_changed_byte_before_the_last_line_breaks_the_chain(chain, erased):
    data = chain.path.read_bytes()
    end = len(data) - len(data.splitlines(keepends=True)[-1])
    for place in range(0, end, 37):
        chain.path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(OutputError, match=r"The ledger .* (is broken|holds no entry|in the middle)"):
            chain.entries()
        assert expunge.verify_report(erased, ledger=chain.path).exit_code == ExitCode.USAGE


@pytest.mark.parametrize("field", ["verdict", "exit_code", "case", "time", "policy", "checkpoint_after"])
def test_a_last_line_that_says_otherwise_than_its_folder_is_found(chain, erased, field):
    first, second, third = lines(chain.path)
    entry = json.loads(third)
    entry[field] = 1 if field == "exit_code" else "0" * 64
    chain.path.write_text("\n".join([first, second, json.dumps(entry, sort_keys=True)]) + "\n")
    checked = expunge.verify_report(erased, ledger=chain.path)
    assert checked.disagreements == (f"Line 3 of the ledger {chain.path} says otherwise than the folder",)


@pytest.mark.parametrize("change", ["taken out", "in another order", "twice", "torn"])
def test_lines_that_are_not_one_chain_are_refused(chain, change, report, erased):
    first, second, third = lines(chain.path)
    text = {
        "taken out": f"{first}\n{third}\n",
        "in another order": f"{second}\n{first}\n{third}\n",
        "twice": f"{first}\n{second}\n{second}\n{third}\n",
        "torn": f"{first}\n{second}\n{third[:40]}",
    }[change]
    chain.path.write_text(text)
    with pytest.raises(OutputError, match="The ledger"):
        chain.append(erased, report)
    assert chain.path.read_text() == text


def test_a_folder_that_is_not_listed_is_found(chain, copied):
    attest_anew(copied, lambda manifest: manifest.update(ended="2026-01-01T00:00:00+00:00"))
    checked = expunge.verify_report(copied, ledger=chain.path)
    assert checked.disagreements == (f"The ledger {chain.path} has no line about this folder",)


def test_many_at_once_do_not_tear_a_line(tmp_path, erased, report):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: ledger.append(erased, report), range(40)))
    assert [entry.number for entry in ledger.entries()] == list(range(1, 41))
    assert sorted(entry.number for entry in entries) == list(range(1, 41))


def test_where_the_disk_fails_the_ledger_is_as_it_was(chain, erased, report, monkeypatch):
    before = chain.path.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="cannot be written"):
        chain.append(erased, report)
    assert chain.path.read_bytes() == before


def test_what_cannot_be_appended_to_is_refused_before_the_work(erase, chain, tmp_path):
    chain.path.write_text("no entry\n")
    inside = tmp_path / "out" / "ledger.jsonl"
    for path, cause in (
        (chain.path, "holds no entry in line 1"),
        (tmp_path / "nowhere" / "ledger.jsonl", "cannot be written"),
        (tmp_path, "cannot be read"),
        (inside, "lies in the output folder"),
    ):
        with pytest.raises(OutputError, match=cause):
            erase(tmp_path / "out", ledger=path)
    assert not (tmp_path / "out").exists()


def test_the_command_checks_the_ledger(chain, erased, tmp_path, capsys):
    shutil.copyfile(chain.path, tmp_path / "empty.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    for path, code in ((chain.path, 0), (tmp_path / "empty.jsonl", 2), (tmp_path / "nowhere.jsonl", 2)):
        with pytest.raises(SystemExit) as stopped:
            main(["verify-report", str(erased), "--ledger", str(path)])
        assert stopped.value.code == code
    assert "There is no ledger" in capsys.readouterr().err
