"""`expunge audit`: measure what a model leaks."""

from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import build, case_options, evidence_options, resume_option, run_options
from editor.cli.stopping import telling_what_is_kept
from policies.errors import ExitCode

if TYPE_CHECKING:
    from editor.api.dry_run import Forecast


@click.command()
@click.argument("model")
@case_options
@evidence_options
@resume_option("measured")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything, say what would be asked and about what it would take, and write nothing.",
)
@run_options
@click.pass_context
def audit(ctx: click.Context, /, model: str, dry_run: bool, **options: Any) -> None:
    """Measure what MODEL leaks of the personal facts in its training text.

    MODEL is a checkpoint folder, a hub name or a PEFT adapter folder. Without --subject or --request, everybody
    found is in scope.
    """
    from editor.api.requests import AuditRequest

    request = build(AuditRequest, model, options)
    from editor.api.audit import run_audit
    from editor.api.kept import unfinished_beside
    from editor.cli.closing import show_report

    if dry_run:
        from editor.api.dry_run import foresee_audit

        forecast = foresee_audit(request)
        code = ExitCode.INCOMPLETE if forecast.incomplete else ExitCode.MET
        _show(forecast, code)
        ctx.exit(code)
    with telling_what_is_kept(unfinished_beside(options["output"]), "the same command resumes it"):
        report = run_audit(request)
    show_report(report, options["output"])
    ctx.exit(report.exit_code)


def _show(forecast: "Forecast", code: ExitCode) -> None:
    """Say what an audit would ask and take."""
    from rich.console import Console
    from rich.table import Table

    from editor.cli.closing import scope_told, show_not_found
    from editor.cli.fitting import fitted
    from editor.formatting import duration, words

    scope, questions = forecast.scope, forecast.questions
    if json_wanted():
        numbers = {
            name: value for name, value in vars(forecast).items() if name not in ("scope", "incomplete")
        }
        print_result(code, **scope_told(scope), **numbers)
        return
    rows = (
        ("Documents", f"{scope.documents:,}, {len(scope.skipped):,} of them not wholly scanned"),
        ("Facts in scope", f"{scope.facts_in_scope:,}, about {scope.subjects_in_scope:,} people"),
        (
            "Questions",
            f"{sum(questions.values()):,}. " + "; ".join(f"{words(g)}: {n:,}" for g, n in questions.items()),
        ),
        ("Generated", f"{forecast.steps:,} tokens one after another"),
        ("Time", f"about {duration(forecast.seconds)}, by {forecast.sampled:,} of the questions"),
        ("Memory", f"about {forecast.memory_mib:,.0f} MiB at most; {forecast.free_mib:,.0f} MiB are free"),
    )
    table = Table(title="Dry run: nothing was written", title_justify="left", show_header=False)
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False)
    console.print(fitted(table, console.width))
    show_not_found(scope.not_found)
