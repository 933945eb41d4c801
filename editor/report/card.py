"""The report as a section of a model card, in Markdown."""

from collections.abc import Iterable

from editor.formatting import certainty, number, plural
from editor.report import forgetting, summary
from editor.report.markdown import bullets, fenced, plain, table
from editor.results.report import Report

RESULTS = {"pass": "pass", "fail": "**fail**", "not tested": "**not tested**"}


def render_card(report: Report, started: str | None = None) -> str:
    """Render a section for the model card: what was asked, what was measured before and after, and what remains.

    Args:
        report: what was measured.
        started: time at which the run began; None leaves it out.
    """
    parts = [
        f"## {summary.title(report)}",
        f"**{summary.outcome(report)}.** {plain(summary.headline(report))}",
        plain(summary.who_when(report, started)),
        *sections(report),
        "### Run it again",
        fenced(report.command),
    ]
    return "\n\n".join(parts) + "\n"


def sections(report: Report) -> list[str]:
    """Return what was measured, the policy's criteria, what was done, and what remains, a paragraph each."""
    parts = [
        _numbers(report),
        plain(certainty(summary.leaked(report))),
        "### Policy criteria",
        _criteria(report),
        "### What was done and tested",
        bullets(_scope(report)),
    ]
    if report.residual_risk:
        parts += ["### Residual risk", bullets(map(plain, report.residual_risk))]
    return list(filter(None, parts))


def _numbers(report: Report) -> str:
    edited = report.model_after is not None
    header = ("Measured", "Before", "After", "") if edited else ("Measured", "Value", "")
    rows = []
    for item in summary.key_numbers(report):
        values = (item.before, item.after or "") if edited else (item.before,)
        rows.append((item.label, *values, item.note))
    return table(header, rows)


def _criteria(report: Report) -> str:
    rows = [
        (
            summary.criterion_name(row),
            summary.limit_text(row),
            summary.measured_text(row),
            RESULTS[row.result],
        )
        for row in report.criteria
    ]
    return table(("Criterion", "Limit", "Measured", "Result"), rows)


def _scope(report: Report) -> Iterable[str]:
    if report.edit is not None:
        changed = plural(len(report.edit.parameters), "tensor")
        yield f"Method: {plain(report.edit.method)}; {changed} changed, ‖ΔW‖ {number(report.edit.norm)}."
        yield summary.KEPT_EDIT[report.edit.originals]
    facts = plural(report.scope.facts_in_scope, "fact")
    subjects = plural(report.scope.subjects_in_scope, "data subject")
    yield f"In scope: {facts} of {subjects}, found in {plural(report.scope.documents, 'document')}."
    if report.model_before.passes:
        yield plain(report.model_before.passes)
    if report.forget_quality:
        yield plain(forgetting.sentence(report.forget_quality))
    if report.attacks:
        yield f"Attacked: {plain(', '.join(row.name for row in report.attacks))}."
    if report.controls:
        yield f"Compared with controls: {plain(', '.join(row.name for row in report.controls))}."
    yield f"Policy: {plain(report.policy.name)}, sha256 `{report.policy.digest[:16]}`."
    yield f"Weights: sha256 `{(report.model_after or report.model_before).digest[:16]}`."
