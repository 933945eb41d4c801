"""`expunge audit`: measure what a model leaks."""

from typing import Any

import click

from editor.cli.options import build, case_options, evidence_options, run_options


@click.command()
@click.argument("model")
@case_options
@evidence_options
@run_options
@click.pass_context
def audit(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Measure what MODEL leaks of the personal facts in its training text.

    MODEL is a checkpoint folder, a hub name or a PEFT adapter folder. Without --subject or --request, everybody
    found is in scope.
    """
    from editor.api.audit import run_audit
    from editor.api.requests import AuditRequest
    from editor.cli.closing import show_report

    request = build(AuditRequest, model, options)
    report = run_audit(request)
    show_report(report, options["output"])
    ctx.exit(report.exit_code)
