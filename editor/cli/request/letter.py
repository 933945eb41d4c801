"""`expunge request letter`: what the data subject is told."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON, OVERWRITE
from editor.cli.request.options import case_key_option, folder_option

if TYPE_CHECKING:
    from editor.casework.folder import WorkCase


@click.command()
@click.argument("identifier", metavar="ID")
@folder_option
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    help="Output folder of the erasure, or of its verification.  [default: the last on record that met the policy]",
)
@case_key_option
@click.option("--output", type=click.Path(path_type=Path), help="A new file.  [default: standard output]")
@OVERWRITE
@JSON
def letter(
    identifier: str,
    folder: Path,
    run: Path | None,
    case_key: Path | None,
    output: Path | None,
    *,
    overwrite: bool,
) -> None:
    """Write the letter about the request ID.

    It says in plain words what was found and done, and gives kinds and counts alone.
    """
    from detectors.fact import write_private_text
    from editor.casework.folder import RequestFolder
    from editor.casework.letter import letter as text_of
    from editor.casework.runs import Run
    from policies.errors import OutputError

    if output is not None and output.exists() and not overwrite:
        raise OutputError(f"The file {output} exists", "Name another, or add --overwrite")
    for read in (folder, run, case_key):
        if output is not None and read is not None and output.resolve().is_relative_to(read.resolve()):
            raise OutputError(f"{output} is, or lies in, what is read for the letter", "Name another file")
    requests = RequestFolder(folder)
    case = requests.case(identifier)
    path = run or _on_record(case)
    text = text_of(case, Run.read(path, case_key) if path else None, requests.cases())
    if output is not None:
        write_private_text(output, (text,), "letter")
    if json_wanted():
        print_result(0, case=case.id, letter=text if output is None else output)
    else:
        click.echo(text if output is None else f"Letter: {output}\n", nl=False)


def _on_record(case: "WorkCase") -> Path | None:
    """Return the folder of the last run that met the policy, of the last one where none did, None where none is."""
    closing = case.record.closing
    if closing is not None and not closing.erased:
        return None
    runs = sorted(case.record.runs, key=lambda run: run.met)
    return Path(runs[-1].folder) if runs else None
