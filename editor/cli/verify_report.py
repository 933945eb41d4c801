"""`expunge verify-report`: check an output folder against itself."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import JSON


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="The checkpoint that an audit or a verification judged, to compare its files too.",
)
@click.option(
    "--edit",
    type=click.Path(path_type=Path),
    help="The folder that `erase --keep-edit` kept the edit in, to compare its files too.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="Public key in PEM: the folder must be signed with its other half.",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    help="The ledger of `erase --ledger`: its chain, and the folder's line.",
)
@JSON
@click.pass_context
def verify_report(ctx: click.Context, /, folder: Path, **options: Any) -> None:
    """Recompute the digests, the verdict and the exit code of FOLDER, an output folder of audit, erase or verify.

    \b
    Exit codes: 0 all agrees, 2 something does not, 4 something could not be compared.
    """  # noqa: D301  # click wants the character
    from editor.api.folder_requests import VerifyReportRequest
    from editor.api.verify_report import run_verify_report
    from editor.cli.closing import show_checked

    checked = run_verify_report(VerifyReportRequest(folder, **options))
    show_checked(checked)
    ctx.exit(checked.exit_code)
