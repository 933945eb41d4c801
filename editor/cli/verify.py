"""`expunge verify`: measure an edited checkpoint against the original."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import (
    ATTACKS,
    MAX_MEMORY,
    REFERENCE,
    build,
    case_options,
    resume_option,
    run_options,
)
from editor.cli.stopping import telling_what_is_kept


@click.command()
@click.argument("edited", type=click.Path(path_type=Path))
@click.option("--against", required=True, help="The original model.")
@REFERENCE
@ATTACKS
@MAX_MEMORY
@case_options
@resume_option("measured")
@run_options
@click.pass_context
def verify(ctx: click.Context, /, edited: Path, **options: Any) -> None:
    """Measure EDITED, a checkpoint folder or an output folder of `erase`, against the original model."""
    from editor.api.requests import VerifyRequest

    request = build(VerifyRequest, edited, options)
    from editor.api.kept import unfinished_beside
    from editor.api.verify import run_verify
    from editor.cli.closing import show_report

    with telling_what_is_kept(unfinished_beside(options["output"]), "the same command resumes it"):
        report = run_verify(request)
    show_report(report, options["output"])
    ctx.exit(report.exit_code)
