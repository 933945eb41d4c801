"""The report as a section of a model card, in Markdown."""

import html
import re
from collections.abc import Iterable, Sequence

from editor.report import summary
from editor.report.formatting import number, plural
from editor.report.schema import Report


def render_card(report: Report) -> str:
    """A section for the model card: what was asked, what was measured before and after, and what remains."""
    parts = [
        f"## {summary.title(report)}",
        f"**{summary.outcome(report)}.** {_plain(report.verdict)}",
        _numbers(report),
        "### Policy criteria",
        _criteria(report),
        "### What was done and tested",
        _bullets(_scope(report)),
    ]
    if report.residual_risk:
        parts += ["### Residual risk", _bullets(map(_plain, report.residual_risk))]
    parts += ["### Run it again", _fenced(report.command)]
    return "\n\n".join(parts) + "\n"


def _numbers(report: Report) -> str:
    edited = report.model_after is not None
    header = ("Measured", "Before", "After", "") if edited else ("Measured", "Value", "")
    rows = []
    for item in summary.key_numbers(report):
        values = (item.before, item.after or "") if edited else (item.before,)
        rows.append((item.label, *values, item.note))
    return _table(header, rows)


def _criteria(report: Report) -> str:
    rows = [
        (
            summary.criterion_name(row),
            summary.limit_text(row),
            summary.measured_text(row),
            "pass" if row.passed else "**fail**",
        )
        for row in report.criteria
    ]
    return _table(("Criterion", "Limit", "Measured", "Result"), rows)


def _scope(report: Report) -> Iterable[str]:
    if report.edit is not None:
        changed = plural(len(report.edit.parameters), "tensor")
        yield f"Method: {_plain(report.edit.method)}; {changed} changed, ‖ΔW‖ {number(report.edit.norm)}."
    facts = plural(report.scope.facts_in_scope, "fact")
    subjects = plural(report.scope.subjects_in_scope, "data subject")
    yield f"In scope: {facts} of {subjects}, found in {plural(report.scope.documents, 'document')}."
    if report.attacks:
        yield f"Attacked: {_plain(', '.join(row.name for row in report.attacks))}."
    if report.controls:
        yield f"Compared with controls: {_plain(', '.join(row.name for row in report.controls))}."
    yield f"Policy: {_plain(report.policy.name)}, sha256 `{report.policy.digest[:16]}`."
    yield f"Weights: sha256 `{(report.model_after or report.model_before).digest[:16]}`."


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(header), _line(["---"] * len(header)), *(_line(map(_cell, row)) for row in rows)]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text if text.startswith("**") else _plain(text)


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", " ".join(text.split()))
    return html.escape(escaped, quote=False)


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
