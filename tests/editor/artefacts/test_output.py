"""An output folder is whole or absent, and what stood there before is safe until then."""

import hashlib
import json
from datetime import UTC, datetime

import pytest

from editor.artefacts.output import OutputFolder
from editor.artefacts.scanner import SecretScanner
from policies.errors import OutputError


def _names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _write(path, name="report.json", text="{}\n", error=None, **arguments):
    with OutputFolder(path, **arguments) as output:
        output.write_text(name, text)
        if error is not None:
            raise error


class TestWholeOrAbsent:
    def test_folder_appears_at_the_end(self, tmp_path):
        with OutputFolder(tmp_path / "out") as output:
            output.write_text("a/b.txt", "text")
            (output.subfolder("model") / "config.json").write_text("{}")
            assert not (tmp_path / "out").exists()
        assert _names(tmp_path) == ["out/a/b.txt", "out/manifest.json", "out/model/config.json"]
        assert output.path == tmp_path / "out"

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
    def test_nothing_is_left_after_an_exception(self, tmp_path, error):
        with pytest.raises(error):
            _write(tmp_path / "deep" / "er" / "out", error=error)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_what_stood_there_stays_after_an_exception(self, tmp_path, error):
        _write(tmp_path / "out")
        before = {name: (tmp_path / "out" / name).read_bytes() for name in _names(tmp_path / "out")}
        with pytest.raises(error):
            _write(tmp_path / "out", "other.txt", overwrite=True, error=error)
        assert {name: (tmp_path / "out" / name).read_bytes() for name in _names(tmp_path / "out")} == before
        assert [path.name for path in tmp_path.iterdir()] == ["out"]

    def test_what_stood_there_stays_when_the_move_fails(self, tmp_path, monkeypatch):
        _write(tmp_path / "out")
        kind = type(tmp_path)
        rename = kind.rename

        def fail(path, target):
            if ".partial-" in path.name:
                raise OSError(28, "No space left on device")
            return rename(path, target)

        monkeypatch.setattr(kind, "rename", fail)
        with pytest.raises(OutputError, match="No space left"):
            _write(tmp_path / "out", overwrite=True)
        assert _names(tmp_path) == ["out/manifest.json", "out/report.json"]

    def test_overwriting_replaces_everything(self, tmp_path):
        _write(tmp_path / "out", "old.txt")
        _write(tmp_path / "out", overwrite=True)
        assert _names(tmp_path) == ["out/manifest.json", "out/report.json"]

    def test_empty_folder_is_used(self, tmp_path):
        (tmp_path / "out").mkdir()
        _write(tmp_path / "out")
        assert _names(tmp_path) == ["out/manifest.json", "out/report.json"]

    def test_link_is_followed(self, tmp_path):
        (tmp_path / "real").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "real")
        _write(tmp_path / "out")
        assert (tmp_path / "out").is_symlink()
        assert (tmp_path / "real" / "report.json").exists()

    def test_writing_outside_the_block_is_a_programming_error(self, tmp_path):
        with pytest.raises(RuntimeError):
            OutputFolder(tmp_path / "out").write_text("a.txt", "text")


class TestRefusals:
    def test_folder_that_is_not_empty(self, tmp_path):
        (tmp_path / "old.txt").write_text("old")
        with pytest.raises(OutputError, match="--overwrite"):
            _write(tmp_path)
        assert _names(tmp_path) == ["old.txt"]

    def test_file(self, tmp_path):
        (tmp_path / "out").write_text("a file")
        with pytest.raises(OutputError, match="is a file"):
            _write(tmp_path / "out", overwrite=True)

    def test_parent_that_is_a_file(self, tmp_path):
        (tmp_path / "file").write_text("a file")
        with pytest.raises(OutputError, match="cannot be written"):
            _write(tmp_path / "file" / "out")

    def test_repository_home_and_working_folder_are_never_replaced(self, tmp_path, monkeypatch):
        (tmp_path / "repository" / ".git").mkdir(parents=True)
        (tmp_path / "here" / "below").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "here" / "below")
        for name in ("repository", "here"):
            with pytest.raises(OutputError, match="is not replaced"):
                _write(tmp_path / name, overwrite=True)

    @pytest.mark.parametrize("name", ["../a.txt", "/tmp/a.txt", "a/../../b", ""])
    def test_names_that_lead_out(self, tmp_path, name):
        with pytest.raises(OutputError, match="leads out"):
            _write(tmp_path / "out", name)
        assert list(tmp_path.iterdir()) == []


class TestSecrets:
    scanner = SecretScanner({"ada.quill@example.org": "EMAIL_ADDRESS 00000000"})

    def test_text_with_a_secret_is_refused_and_nothing_is_left(self, tmp_path):
        with pytest.raises(OutputError, match=r"card\.md would disclose EMAIL_ADDRESS"):
            _write(tmp_path / "out", "card.md", "write to ada.quill@example.org", scanner=self.scanner)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("name", "text"),
        [("config.json", '{"made_for": "Ada.Quill@example.org"}'), ("ada.quill@example.org.txt", "")],
    )
    def test_files_of_others_are_checked_before_the_move(self, tmp_path, name, text):
        def run():
            with OutputFolder(tmp_path / "out") as output:
                (output.subfolder("model") / name).write_text(text)
                output.scanner = self.scanner

        with pytest.raises(OutputError, match="would disclose EMAIL_ADDRESS"):
            run()
        assert list(tmp_path.iterdir()) == []

    def test_manifest_is_checked_too(self, tmp_path):
        inputs = {"corpus": "ada.quill@example.org.jsonl"}
        with pytest.raises(OutputError, match=r"manifest\.json would disclose"):
            _write(tmp_path / "out", scanner=self.scanner, inputs=inputs)
        assert list(tmp_path.iterdir()) == []

    def test_vocabulary_of_the_given_model_is_not_checked(self, tmp_path):
        with OutputFolder(tmp_path / "out", scanner=self.scanner) as output:
            (output.subfolder("model") / "tokenizer.json").write_text('["ada.quill@example.org"]')
            output.write_text("report.json", "{}")
        files = json.loads((tmp_path / "out" / "manifest.json").read_text())["files"]
        assert not files["model/tokenizer.json"]["checked_for_secrets"]
        assert files["report.json"]["checked_for_secrets"]


def test_manifest_describes_every_file_and_the_run(tmp_path):
    times = iter([datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2026, 1, 2, 3, 6, 7, tzinfo=UTC)])
    arguments = {"inputs": {"policy": "sha256:1"}, "versions": {"expunge": "0.1.0"}, "seed": 3}
    with OutputFolder(tmp_path / "out", clock=lambda: next(times), **arguments) as output:
        output.write_text("a.txt", "Zoë\n")
        output.inputs["corpus"] = "sha256:2"
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    content = "Zoë\n".encode()
    assert manifest == {
        "version": 1,
        "files": {
            "a.txt": {
                "sha256": hashlib.sha256(content).hexdigest(),
                "bytes": len(content),
                "checked_for_secrets": False,
            }
        },
        "inputs": {"policy": "sha256:1", "corpus": "sha256:2"},
        "versions": {"expunge": "0.1.0"},
        "seed": 3,
        "started": "2026-01-02T03:04:05+00:00",
        "ended": "2026-01-02T03:06:07+00:00",
    }
