"""Writing a report: the canonical JSON and what is rendered from it."""

from editor.output import OutputFolder
from editor.report.card import render_card
from editor.report.render import render_html
from editor.report.schema import Report

REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
MODEL_CARD = "model_card.md"


def write_report(output: OutputFolder, report: Report) -> None:
    """Write report.json, report.html and model_card.md, each checked for secrets.

    Raises:
        OutputError: one of them would disclose a secret; nothing of the folder remains.
    """
    output.write_text(REPORT_JSON, report.to_json())
    output.write_text(REPORT_HTML, render_html(report))
    output.write_text(MODEL_CARD, render_card(report))
