"""`expunge request list`: what is open, and until when."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON
from editor.cli.request.options import folder_option, names_option, today_option

if TYPE_CHECKING:
    from rich.table import Table


@click.command("list")
@folder_option
@click.option("--all", "closed_too", is_flag=True, help="List closed requests too.")
@names_option
@JSON
@today_option
def list_requests(folder: Path, today: date, *, closed_too: bool, names: bool) -> None:
    """List open requests, the most urgent first."""
    from rich.console import Console

    from editor.casework.describing import summary
    from editor.casework.folder import RequestFolder

    cases = [case for case in RequestFolder(folder).cases() if closed_too or case.state != "closed"]
    rows = [summary(case, today, names=names) for case in cases]
    if json_wanted():
        print_result(0, requests=rows)
        return
    if rows:
        Console(highlight=False).print(_table(rows, names=names))
    overdue = sum(row["overdue"] for row in rows)
    said = f"{len(rows)} {'request' if len(rows) == 1 else 'requests'}"
    click.echo(f"{said}, {overdue} overdue" if overdue else said)


def _table(rows: list[dict[str, Any]], *, names: bool) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("case", "received", "deadline", "left", "state", *(("names",) if names else ())):
        table.add_column(name, overflow="fold", no_wrap=name in ("received", "deadline", "left", "state"))
    for row in rows:
        cells = [row["case"], row["received"], row["deadline"], time_left(row), row["state"]]
        cells += [", ".join(row["names"])] if names else []
        style = "red" if row["overdue"] else ""
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def time_left(row: dict[str, Any]) -> str:
    """Say how long there is until the deadline, or how long it is over; nothing of a closed request."""
    left = row["days_left"]
    if left is None:
        return ""
    days = f"{abs(left)} {'day' if abs(left) == 1 else 'days'}"
    return f"{days} overdue" if left < 0 else "today" if left == 0 else days
