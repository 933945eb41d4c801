"""The report: one validated structure, and the page, the card and the terminal's table rendered from it."""

from editor.report.card import render_card
from editor.report.render import render_html
from editor.report.terminal import closing_sentence, closing_table
from editor.report.write import write_report
from editor.results.report import Report

__all__ = ["Report", "closing_sentence", "closing_table", "render_card", "render_html", "write_report"]
