"""Writing a report: the canonical JSON and what is rendered from it, for people and for programs."""

from collections.abc import Callable

from editor.artefacts.output import OutputFolder
from editor.report.card import render_card
from editor.report.junit import render_junit
from editor.report.pull_request import render_pull_request
from editor.report.readme import render_readme
from editor.report.render import render_html
from editor.report.sarif import render_sarif
from editor.results.report import Report

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
MODEL_CARD = "model_card.md"
SUMMARY = "summary.md"
JUNIT_XML = "junit.xml"
SARIF = "report.sarif"
README = "model/README.md"
FORMATS: dict[str, Callable[[Report, str | None], str]] = {
    REPORT_JSON: lambda report, _: report.to_json(),
    REPORT_HTML: render_html,
    MODEL_CARD: render_card,
    SUMMARY: render_pull_request,
    JUNIT_XML: lambda report, _: render_junit(report),
    SARIF: lambda report, _: render_sarif(report),
}
"""Every file of a report, and what renders it from the report and from when its run began.

Those for people say when: the manifest's `started`. Those for programs are the same for the same report.
"""


def checkpoint_pages(report: Report) -> dict[str, str]:
    """Return what is rendered from the report into the folder of the checkpoint; nothing where none was written."""
    return {README: render_readme(report)} if report.kind == "erase" else {}


def write_report(output: OutputFolder, report: Report) -> None:
    """Write the report in every format, each file checked for secrets.

    Raises:
        OutputError: one of them would disclose a secret; nothing of the folder remains.
    """
    for name, render in FORMATS.items():
        output.write_text(name, render(report, output.started))
    for name, text in checkpoint_pages(report).items():
        output.write_text(name, text)
