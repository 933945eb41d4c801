"""`expunge request close`: by a run that erased it, or with the reason why nothing is erased."""

from datetime import date
from pathlib import Path

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON
from editor.cli.request.options import case_key_option, folder_option, today_option


@click.command()
@click.argument("identifier", metavar="ID")
@folder_option
@click.option(
    "--run", type=click.Path(path_type=Path), help="Output folder of the erasure, or of its verification."
)
@case_key_option
@click.option("--without-erasure", is_flag=True, help="Nothing is erased (Art. 12(4) GDPR); needs --reason.")
@click.option("--reason", help="Why nothing is erased, as the data subject is told.")
@JSON
@today_option
def close(
    identifier: str,
    folder: Path,
    run: Path | None,
    case_key: Path | None,
    reason: str | None,
    today: date,
    *,
    without_erasure: bool,
) -> None:
    """Close the request ID.

    The report of --run must say that it was erased, and the policy met.
    """
    from editor.casework.closing import close_by, close_without
    from editor.casework.folder import RequestFolder

    if without_erasure == (run is not None) or without_erasure != (reason is not None):
        raise click.UsageError("Give --run FOLDER, or --without-erasure and --reason.")
    case = RequestFolder(folder).case(identifier)
    if run is None:
        case = close_without(case, reason or "", today)
    else:
        from editor.casework.runs import Run

        case = close_by(case, Run.read(run, case_key), today)
    late = (today - case.deadline).days
    said = f", {late} {'day' if late == 1 else 'days'} late" if late > 0 else ""
    if json_wanted():
        print_result(0, case=case.id, state=case.state)
        return
    click.echo(f"{case.id} is closed{said}. The letter: expunge request letter {case.id} --folder {folder}")
