"""What a command says in the end: a table, a sentence, and where things lie."""

import os
from pathlib import Path

from rich.console import Console

from editor.report import closing_sentence, closing_table
from editor.results.report import Report, Scope

LINES_SHOWN = 10


def show_report(report: Report, output: Path) -> None:
    """Say in plain words what came out, and where the report lies."""
    console = Console()
    console.print(closing_table(report))
    console.print(closing_sentence(report))
    show_not_found(report.scope)
    console.print(f"Report: {shown(output / 'report.html')}", soft_wrap=True)
    if report.kind == "erase":
        console.print(f"Checkpoint: {shown(output / 'model')}", soft_wrap=True)
        console.print(
            "The edit folder and the case key lead back to the facts: keep them apart, or destroy them.",
            style="dim",
        )


def show_not_found(scope: Scope) -> None:
    """Say what was asked for and not found; nothing where everything was."""
    console = Console()
    if scope.not_found:
        console.print("Asked for and not found:", style="yellow")
    for line in scope.not_found[:LINES_SHOWN]:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)
    if len(scope.not_found) > LINES_SHOWN:
        console.print(f"  and {len(scope.not_found) - LINES_SHOWN} more, in the report")


def shown(path: Path) -> str:
    """Return the whole path, or the one relative to the working folder where that is shorter."""
    whole = path.resolve()
    try:
        relative = os.path.relpath(whole)
    except ValueError:  # on another drive
        return str(whole)
    return min(str(whole), relative, key=len)
