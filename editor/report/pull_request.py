"""The report as a short comment on a pull request, in Markdown: verdict, thresholds, who is exposed, what was skipped.

Always under `MOST_CHARACTERS`: GitHub takes 65,536 as a comment, and a workflow puts a mark before it.
"""

from collections.abc import Iterable

from editor.formatting import bits, count, plural
from editor.measuring.criteria import CRITERIA
from editor.report import findings, summary
from editor.report.markdown import bullets, fenced, plain, table
from editor.results.report import Criterion, Report

MOST_CHARACTERS = 65_000
MOST_TEXT = 4_000
"""Most characters of one paragraph: verdicts are short, commands may not be."""
MOST_SUBJECTS = 10
MOST_SKIPPED = 10
MOST_TYPES = 100


def render_pull_request(report: Report, started: str | None = None) -> str:
    """Render the comment. The same report and the same time give the same bytes.

    Args:
        report: what was measured.
        started: time at which the run began; None leaves it out.
    """
    parts = [
        f"## {_sign(report)} {summary.title(report)}: {summary.outcome(report)}",
        plain(_short(summary.headline(report))),
        plain(_short(summary.who_when(report, started))),
        _criteria(report),
        _types(report),
        _subjects(report),
        _skipped(report),
        _again(report),
    ]
    return _bounded([part for part in parts if part])


def _sign(report: Report) -> str:
    if report.exit_code:
        return "❌"
    return "⚠️" if report.gate.waived else "✅"


def _bounded(parts: list[str]) -> str:
    """Join the parts, without the last ones where they are more than a comment holds."""
    text = "\n\n".join(parts) + "\n"
    if len(text) <= MOST_CHARACTERS:
        return text
    kept = list(parts)
    while len(text) > MOST_CHARACTERS:
        kept.pop()
        text = "\n\n".join([*kept, "Shortened: `report.html` has the whole report."]) + "\n"
    return text


def _criteria(report: Report) -> str:
    rows = [
        (
            summary.criterion_name(row),
            summary.limit_text(row) + _policys_own(report, row),
            summary.measured_text(row) + (f" ({count(row.counted)})" if row.counted else ""),
            _result(report, row),
        )
        for row in report.criteria
    ]
    return table(("Criterion", "Limit", "Measured", "Result"), rows)


def _result(report: Report, row: Criterion) -> str:
    if not row.tested:
        return "**not tested**" if findings.untested_fails(report, row) else "not tested, tolerated"
    return "met" if row.passed else "**not met**" if findings.fails(report, row) else "not met, tolerated"


def _policys_own(report: Report, row: Criterion) -> str:
    """Say ' (policy: 0%)' where the run replaced the policy's threshold."""
    replaced = next((one for one in report.gate.overridden if one.threshold == row.measure), None)
    if replaced is None:
        return ""
    return f" (policy: {CRITERIA[row.measure].policy_text(replaced.policy)})"


def _types(report: Report) -> str:
    rows = findings.by_type(report)
    if not rows:
        return ""
    edited = any(row.leaked_after is not None for row in rows)
    header = ("Type", *(("Before", "After") if edited else ("Leaked",)), "Bits of the most exposed")
    lines = []
    for row in rows[:MOST_TYPES]:
        leaked = [count(row.leaked_before), *([count(row.leaked_after)] if row.leaked_after else [])]
        lines.append((row.entity_type[:80], *leaked, bits(row.fewest_bits)))
    return table(header, lines) + _more(len(rows) - MOST_TYPES, "type")


def _subjects(report: Report) -> str:
    leaking = [row for row in findings.most_exposed_subjects(report) if findings.leaked(row)]
    if not leaking:
        return ""
    rows = [
        (row.subject[:80], f"{findings.leaked(row):,} of {row.facts:,}", bits(findings.bits_of(row)))
        for row in leaking[:MOST_SUBJECTS]
    ]
    listed = table(("Most exposed", "Facts leaked", "Bits of the most exposed"), rows)
    return listed + _more(len(leaking) - MOST_SUBJECTS, "person", "people")


def _skipped(report: Report) -> str:
    skipped = report.scope.skipped
    if not skipped:
        return ""
    lines = bullets(plain(_short(text, 300)) for text in skipped[:MOST_SKIPPED])
    return f"**Not wholly scanned:**\n\n{lines}" + _more(len(skipped) - MOST_SKIPPED, "entry", "entries")


def _again(report: Report) -> str:
    model = report.model_after or report.model_before
    scope = f"{plural(report.scope.facts_in_scope, 'fact')} of {plural(report.scope.subjects_in_scope, 'data subject')}"
    facts = bullets(_lines(report, scope, model.digest[:16]))
    folded = f"{fenced(_short(report.command))}\n\n{facts}"
    return f"<details><summary>How to run it again</summary>\n\n{folded}\n\n</details>"


def _lines(report: Report, scope: str, digest: str) -> Iterable[str]:
    yield f"Exit code {report.exit_code}; fails on {', '.join(report.gate.fails_on) or 'nothing'}."
    yield f"In scope: {scope}."
    name = plain(_short(report.policy.name, 200))
    yield f"Policy {name}, sha256 `{report.policy.digest[:16]}`; weights, sha256 `{digest}`."
    yield "People and facts are named by keyed labels; `report.html` has the whole report."


def _more(left: int, noun: str, nouns: str | None = None) -> str:
    if left <= 0:
        return ""
    return f"\n\n… and {f'{left:,} {nouns}' if nouns and left > 1 else plural(left, noun)} more in `report.html`."


def _short(text: str, most: int = MOST_TEXT) -> str:
    return text if len(text) <= most else f"{text[:most]} …"
