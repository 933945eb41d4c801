"""`expunge request show`: all that is known of one request."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON
from editor.cli.request.listing import time_left
from editor.cli.request.options import folder_option, names_option, today_option


@click.command()
@click.argument("identifier", metavar="ID")
@folder_option
@click.option(
    "--runs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A folder of output folders: those that are about the request are put on record of it.",
)
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    help="The ledger of `erase --ledger`: which lines are about it.",
)
@names_option
@JSON
@today_option
def show(
    identifier: str,
    folder: Path,
    runs: Path | None,
    ledger: Path | None,
    today: date,
    *,
    names: bool,
) -> None:
    """Show the request ID.

    That is its dates, what was handed in, and the runs that dealt with it.
    """
    from editor.casework.describing import details
    from editor.casework.folder import RequestFolder

    case = RequestFolder(folder).case(identifier)
    if runs is not None:
        from editor.casework.runs import find_runs, with_run

        for run in find_runs(runs, case):
            case = with_run(case, run.linked(case.request))
    lines = None if ledger is None else _lines(ledger)
    known = details(case, today, names=names, lines=lines)
    if json_wanted():
        print_result(0, **known)
        return
    click.echo("\n".join(_told(known)))


def _lines(path: Path) -> dict[str, int]:
    """Return the numbers of a ledger's lines, by the manifest that each is about."""
    from editor.attestation.ledger import Ledger
    from policies.errors import RequestError

    if not path.is_file():
        raise RequestError(f"There is no ledger {path}", "Name the file that `erase --ledger` wrote")
    return {entry.manifest: entry.number for entry in Ledger(path).entries()}


def _told(known: dict[str, Any]) -> Iterator[str]:
    left = time_left(known)
    yield f"{known['case']}: {known['state']}"
    yield f"Received:   {known['received']}"
    yield f"Deadline:   {known['deadline']}{f' ({left})' if left else ''}"
    if known["extension"]:
        yield f"Extended:   {known['extension']['day']}, because: {known['extension']['reason']}"
    yield f"People:     {', '.join(known['names']) if 'names' in known else known['people']}"
    for name in ("aliases", "emails"):
        if known[name]:
            yield f"{f'{name.capitalize()}:':<11} {', '.join(known[name]) if 'names' in known else known[name]}"
    yield f"Kinds:      {', '.join(known['entity_types'] or ('all of the policy',))}"
    if known["handed_in"]:
        yield f"Handed in:  {', '.join(f'{name} {count}' for name, count in known['handed_in'].items())}"
    for run in known["runs"]:
        yield f"Run:        {run['kind']}, {'policy met' if run['met'] else 'policy not met'}, {run['folder_is']}"
        yield f"            {run['folder']}"
        if "ledger_line" in run:
            line = run["ledger_line"]
            yield f"            {f'line {line} of the ledger' if line else 'not in the ledger'}"
    if known["closing"]:
        closing = known["closing"]
        how = "erased" if closing["erased"] else f"without an erasure, because: {closing['reason']}"
        yield f"Closed:     {closing['day']}, {how}"
