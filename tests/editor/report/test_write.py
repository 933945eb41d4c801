"""What `write_report` leaves in the output folder, and what it refuses to."""

import json

import pytest

from editor.artefacts.output import OutputFolder
from editor.artefacts.scanner import SecretScanner
from editor.formatting import moment
from editor.report import Report, write_report
from editor.report.write import FORMATS
from policies.errors import OutputError


def _write(path, report, secrets):
    with OutputFolder(path, scanner=SecretScanner(secrets)) as output:
        write_report(output, report)


def test_every_format_is_written_and_raise_no_false_alarm(tmp_path, erase_report):
    _write(tmp_path / "out", erase_report, {f"555-{number:04d}": "phone" for number in range(10_000)})
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(["manifest.json", "model", *FORMATS])
    assert [path.name for path in (tmp_path / "out" / "model").iterdir()] == ["README.md"]
    assert Report.from_json((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == erase_report
    started = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["started"]
    for name in FORMATS:
        dated = moment(started) in (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert dated is (name in {"report.html", "model_card.md", "summary.md"})


def test_report_with_a_secret_is_refused(tmp_path, make_report):
    report = make_report(command="expunge erase --subject 'Ada Quill'")
    with pytest.raises(OutputError, match=r"report\.json would disclose a name"):
        _write(tmp_path / "out", report, {"Ada Quill": "a name"})
    assert list(tmp_path.iterdir()) == []
