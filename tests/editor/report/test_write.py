"""What `write_report` leaves in the output folder, and what it refuses to."""

import pytest

from editor.masking import SecretScanner
from editor.output import OutputFolder
from editor.report import Report, write_report
from policies.errors import OutputError


def test_three_artefacts_that_agree(tmp_path, erase_report):
    with OutputFolder(
        tmp_path / "out", scanner=SecretScanner(["555-0142", "ada.quill@example.org"])
    ) as output:
        write_report(output, erase_report)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["manifest.json", "model_card.md", "report.html", "report.json"]
    assert Report.from_json((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == erase_report


def test_report_with_a_secret_is_refused(tmp_path, make_report):
    report = make_report(command="expunge erase --subject 'Ada Quill'")
    with pytest.raises(OutputError, match=r"report\.json would disclose a name"):
        with OutputFolder(tmp_path / "out", scanner=SecretScanner({"Ada Quill": "a name"})) as output:
            write_report(output, report)
    assert list(tmp_path.iterdir()) == []


def test_figures_raise_no_false_alarm(tmp_path, erase_report):
    phones = {f"555-{number:04d}": "phone" for number in range(10_000)}
    with OutputFolder(tmp_path / "out", scanner=SecretScanner(phones)) as output:
        write_report(output, erase_report)
