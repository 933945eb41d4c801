"""The end of a run in the terminal: before and after in a table, and one sentence in plain words."""

from rich.table import Table
from rich.text import Text

from editor.report import forgetting, summary
from editor.results.report import Report

STYLES = {"good": "bold green", "bad": "bold red", "neutral": "bold"}


def closing_table(report: Report) -> Table:
    """Return a table of the key numbers before and after, then every criterion of the policy that was not met."""
    edited = report.model_after is not None
    table = Table(title=f"{summary.title(report)}: {summary.outcome(report)}", title_justify="left")
    table.add_column("Measured")
    for name in ("Before", "After") if edited else ("Value",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for item in summary.key_numbers(report):
        values = (item.before, item.after or "") if edited else (item.before,)
        cells = [Text(value) for value in values]
        cells[-1].stylize(STYLES[item.tone])
        table.add_row(Text(item.label), *cells, Text(item.note, style="dim"))
    if report.forget_quality is not None:
        found = report.forget_quality
        table.add_row(
            Text("Forget quality, p"), "", forgetting.p_text(found), Text(forgetting.note(found), style="dim")
        )
    failed = [row for row in report.criteria if not row.passed]
    if failed:
        table.add_section()
    for row in failed:
        cells = [Text(""), Text(summary.measured_text(row), style=STYLES["bad"])][-2 if edited else -1 :]
        table.add_row(
            Text(summary.criterion_name(row)),
            *cells,
            Text(
                f"{'not met' if row.failed else 'nothing to count'}: {summary.limit_text(row)}", style="red"
            ),
        )
    return table


def closing_sentence(report: Report) -> str:
    """Say what came out, in plain words: the page's headline."""
    return summary.headline(report)
