"""What a command says in the end: a table, a sentence, and where things lie."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from editor.attestation.findings import CheckedReport
from editor.report import closing_sentence, closing_table
from editor.results.report import Report

LEADS_BACK = {
    "kept": "The edit folder and the case key lead back to the facts: keep them apart, or destroy them.",
    "encrypted": "The edit folder with the key or passphrase of the originals, and the case key, lead back to the "
    "facts: keep them apart, or destroy them.",
    "none": "The original model and the case key lead back to the facts: the edit folder alone does not.",
}
"""What brings the facts back, by how the originals are kept."""


def show_report(report: Report, output: Path) -> None:
    """Say in plain words what came out, and where the report lies."""
    console = Console()
    console.print(closing_table(report))
    console.print(closing_sentence(report))
    show_not_found(report.scope.not_found)
    _show_listed(
        "Checks of the checkpoint that failed",
        [f"{check.name}: {check.detail}." for check in report.integrity if not check.passed],
    )
    console.print(f"Report: {shown(output / 'report.html')}", soft_wrap=True)
    if report.kind == "erase":
        console.print(f"Checkpoint: {shown(output / 'model')}", soft_wrap=True)
        console.print(f"PEFT adapter: {_adapter(report, output)}", soft_wrap=True)
        console.print(LEADS_BACK[report.edit.originals if report.edit else "kept"], style="dim")


def _adapter(report: Report, output: Path) -> str:
    """Return where the adapter of an erasure lies and how near it is, or why there is none."""
    written = report.edit and report.edit.adapter
    if report.edit and report.edit.originals != "kept":
        return "none, as it would hold the change of weights in the clear"
    if not written:
        return "none, as the change is of no low rank, or MODEL is an adapter and no plain LoRA"
    return f"{shown(output / 'edit' / 'adapter')} (rank {written.rank}, {written.left_out:.2g} of the change left out)"


def show_checked(checked: CheckedReport) -> None:
    """Say whether a folder agrees with itself, and what does not."""
    console = Console(highlight=False)
    told = (("Does not agree", "red", checked.disagreements), ("Not compared", "yellow", checked.unchecked))
    for heading, style, lines in told:
        if lines:
            console.print(f"{heading}:", style=style)
        for line in lines:
            console.print(f"  {line}.", soft_wrap=True, markup=False)
    for line in checked.notes:
        console.print(f"{line}.", style="dim", soft_wrap=True, markup=False)
    if not checked.disagreements:
        what = "All that could be compared agrees" if checked.unchecked else "All agrees"
        said = f' "{checked.report.verdict}" (exit code {checked.report.exit_code})' if checked.report else ""
        console.print(f"{what}. The report says:{said}", soft_wrap=True, markup=False)


def show_not_found(lines: Sequence[str]) -> None:
    """Say what was asked for and not found; nothing where everything was."""
    _show_listed("Asked for and not found", lines)


def _show_listed(heading: str, lines: Sequence[str]) -> None:
    console = Console(highlight=False)
    if lines:
        console.print(f"{heading}:", style="yellow")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)


def shown(path: Path) -> str:
    """Return the whole path, or the one relative to the working folder where that is shorter."""
    whole = path.resolve()
    try:
        relative = os.path.relpath(whole)
    except ValueError:  # on another drive
        return str(whole)
    return min(str(whole), relative, key=len)
