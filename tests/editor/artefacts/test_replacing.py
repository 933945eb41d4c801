"""Nothing of a user's is ever replaced: not by `--overwrite`, not after an hour of work, not by two runs at once."""

import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from safetensors import SafetensorError

from editor.artefacts.output import OutputFolder
from editor.artefacts.replacing import UNLISTED
from editor.attestation.signing import ENVELOPE
from editor.attestation.statement import STATEMENT
from policies.errors import OutputError

ROOT = Path(__file__).parents[3]


def write(path, **options):
    with OutputFolder(path, **options) as output:
        output.write_text("report.json", "{}\n")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def thesis(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "thesis.tex").write_text("mine")
    return folder


def foreign_manifest(folder):
    (thesis(folder) / "manifest.json").write_text('{"name": "a web page", "icons": []}')
    return folder


def output_with_notes(folder):
    write(folder)
    (folder / "figures").mkdir()
    (folder / "figures" / "notes.txt").write_text("mine")
    return folder


def output_with_a_link(folder):
    write(folder)
    (folder / "data").symlink_to(folder.parent)
    return folder


@pytest.mark.parametrize("make", [thesis, foreign_manifest, output_with_notes, output_with_a_link])
def test_what_is_no_output_or_more_than_one_is_not_replaced(tmp_path, make):
    folder = make(tmp_path / "out")
    before = names(tmp_path)
    with pytest.raises(OutputError, match="is not replaced"):
        write(folder, overwrite=True)
    assert names(tmp_path) == before


@pytest.mark.parametrize("signed", ["", STATEMENT, ENVELOPE])
def test_an_output_is_replaced_whole_or_without_its_edit_signed_or_not(tmp_path, signed):
    with OutputFolder(tmp_path / "out") as output:
        output.write_text("edit/edit.json", "{}")
    shutil.rmtree(tmp_path / "out" / "edit")
    if signed:
        (tmp_path / "out" / signed).write_text("{}")
    (tmp_path / "out" / ".DS_Store").write_text("")
    write(tmp_path / "out", overwrite=True)
    assert names(tmp_path) == ["out/manifest.json", "out/report.json"]
    assert {STATEMENT, ENVELOPE} < set(UNLISTED)


@pytest.mark.parametrize("inside", ["out", "out/model", "out/corpus/*.txt", "link", "out/../out/model"])
def test_an_output_that_holds_what_the_run_reads_is_not_replaced(tmp_path, inside):
    with OutputFolder(tmp_path / "out") as output:
        output.write_text("model/config.json", "{}")
    (tmp_path / "link").symlink_to(tmp_path / "out" / "model")
    with pytest.raises(OutputError, match="which the run reads"):
        write(tmp_path / "out", overwrite=True, reads=["gdpr", tmp_path / inside])
    assert "out/model/config.json" in names(tmp_path)
    write(tmp_path / "out", overwrite=True, reads=["gdpr", tmp_path / "elsewhere"])


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("appears", ["folder", "file"])
def test_what_appears_while_a_run_works_stays_and_the_run_is_kept_beside_it(tmp_path, overwrite, appears):
    out = tmp_path / "out"

    def works():
        with OutputFolder(out, overwrite=overwrite) as output:
            output.write_text("report.json", "{}\n")
            thesis(out) if appears == "folder" else out.write_text("mine")

    with pytest.raises(OutputError, match="The output is finished") as refused:
        works()
    assert (out / "thesis.tex" if appears == "folder" else out).read_text() == "mine"
    (aside,) = (path for path in tmp_path.iterdir() if path != out)
    assert str(aside) in refused.value.remedy
    assert names(aside) == ["manifest.json", "report.json"]


def test_an_output_that_another_run_put_there_meanwhile_is_replaced_only_if_asked(tmp_path):
    def meanwhile(**options):
        with OutputFolder(tmp_path / "out", **options) as output:
            output.write_text("second.json", "{}\n")
            with OutputFolder(tmp_path / "other") as first:
                first.write_text("first.json", "{}\n")
            (tmp_path / "other").rename(tmp_path / "out")

    with pytest.raises(OutputError, match="The output is finished"):
        meanwhile()
    assert names(tmp_path / "out") == ["first.json", "manifest.json"]
    shutil.rmtree(tmp_path / "out")
    meanwhile(overwrite=True)
    assert names(tmp_path / "out") == ["manifest.json", "second.json"]


def test_two_runs_do_not_write_one_folder(tmp_path):
    with OutputFolder(tmp_path / "out") as output:
        with pytest.raises(OutputError, match="Another run is writing"):
            write(tmp_path / "out")
        write(tmp_path / "out2")
        output.write_text("report.json", "{}\n")
    write(tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out") == ["manifest.json", "report.json"]


KILLED = """
import os, signal, sys
from editor.artefacts.output import OutputFolder
with OutputFolder(sys.argv[1], overwrite=True) as output:
    output.write_text("originals.txt", "415-555-0132")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals and locks")
def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KILLED, tmp_path / "out"], check=False, env=environment)
    assert [name.rpartition("/")[2] for name in names(tmp_path)] == ["originals.txt"]
    thesis(tmp_path / ".out.partial-mine")
    write(tmp_path / "out")
    assert names(tmp_path) == [".out.partial-mine/thesis.tex", "out/manifest.json", "out/report.json"]


def test_an_output_that_a_killed_run_had_moved_away_is_put_back(tmp_path):
    write(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.replaced-0123abcd")
    with pytest.raises(OutputError, match="--overwrite"):
        write(tmp_path / "out")
    assert names(tmp_path) == ["out/manifest.json", "out/report.json"]
    shutil.copytree(tmp_path / "out", tmp_path / ".out.replaced-0123abcd")
    write(tmp_path / "out", overwrite=True)
    assert names(tmp_path) == ["out/manifest.json", "out/report.json"]


FULL = (
    OSError(28, "No space left on device"),
    SafetensorError('Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "..." })'),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos: No space left on device"),
)


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_said_to_be_that_wherever_it_fills_up(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    with pytest.raises(OutputError, match="The disk is full") as refused, OutputFolder(tmp_path / "out"):
        fail()
    assert "Free some space" in refused.value.remedy
    monkeypatch.setattr("editor.artefacts.output.file_digest", fail)
    if isinstance(error, OSError):
        with pytest.raises(OutputError, match="The disk is full"):
            write(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_away_while_a_run_works_is_said_to_be_that(tmp_path):
    def works():
        with OutputFolder(tmp_path / "out") as output:
            shutil.rmtree(output.path)
            output.write_text("report.json", "{}\n")

    with pytest.raises(OutputError, match="was removed while the run worked"):
        works()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_nobody_else_looks_into_a_folder_that_is_being_made(tmp_path):
    with OutputFolder(tmp_path / "out") as output:
        assert stat.S_IMODE(output.path.stat().st_mode) == 0o700
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_a_clock_that_is_set_back_ends_no_run_before_it_began(tmp_path):
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    times = iter([now, now - timedelta(hours=1)])
    write(tmp_path / "out", clock=lambda: next(times))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["ended"] == manifest["started"] == "2026-03-04T05:06:07+00:00"
