"""What a command says in the end: a table, a sentence, and where things lie."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from editor.attestation.findings import CheckedReport
from editor.cli.fitting import fitted
from editor.cli.json_output import json_wanted, print_result
from editor.formatting import plural
from editor.report import closing_sentence, closing_table
from editor.results.report import CaseRow, Report, Scope

CASES_SHOWN = 20
LEADS_BACK = {
    "kept": "The kept edit and the case key lead back to the facts: keep them apart, or destroy them.",
    "encrypted": "The kept edit with its key or passphrase, and the case key, lead back to the facts: keep them "
    "apart, or destroy them.",
    "none": "The change of weights was not kept (--keep-edit): a revert needs the original model. It and the case key "
    "lead back to the facts.",
}
"""What brings the facts back, by how the edit is kept."""


def show_report(report: Report, output: Path, kept: Path | None = None) -> None:
    """Say in plain words what came out, and where the report, and the edit where it was kept, lie."""
    if json_wanted():
        print_result(report.exit_code, **_told(report, output, kept))
        return
    console = Console()
    console.print(fitted(closing_table(report), console.width))
    console.print(closing_sentence(report))
    show_cases(report.cases)
    show_not_found(report.scope.not_found)
    _show_listed(
        "Checks of the checkpoint that failed",
        [f"{check.name}: {check.detail}." for check in report.integrity if not check.passed],
    )
    console.print(f"Report: {shown(output / 'report.html')}", soft_wrap=True)
    if report.kind == "erase":
        console.print(f"Checkpoint: {shown(output / 'model')}", soft_wrap=True)
        if kept is not None:
            console.print(f"Edit: {shown(kept)}", soft_wrap=True)
            console.print(f"PEFT adapter: {_adapter(report, kept)}", soft_wrap=True)
        console.print(LEADS_BACK[report.edit.originals if report.edit else "kept"], style="dim")


def _told(report: Report, output: Path, kept: Path | None) -> dict[str, Any]:
    """Return what the table, the sentences and the lines below them say, as values."""
    fields = {"measure", "kind", "comparison", "threshold", "measured", "passed", "tested", "required"}
    files = {"report": "report.json", "page": "report.html"}
    if report.kind == "erase":
        files["checkpoint"] = "model"
    apart = {} if kept is None else {"edit": kept}
    if kept is not None and report.edit and report.edit.adapter:
        apart["adapter"] = kept / "adapter"
    return {
        "kind": report.kind,
        "verdict": report.verdict,
        "criteria": [row.model_dump(mode="json", include=fields) for row in report.criteria],
        **({"cases": [case.model_dump(mode="json") for case in report.cases]} if report.cases else {}),
        **scope_told(report.scope),
        "files": {role: output / name for role, name in files.items()} | apart,
    }


def scope_told(scope: Scope) -> dict[str, Any]:
    """Return what a run looked at, in numbers, and what it could not find."""
    return {
        "documents": scope.documents,
        "subjects": scope.subjects_in_scope,
        "facts": scope.facts_in_scope,
        "skipped": len(scope.skipped),
        "not_found": list(scope.not_found),
    }


def _adapter(report: Report, kept: Path) -> str:
    """Return where the adapter of an erasure lies and how near it is, or why there is none."""
    written = report.edit and report.edit.adapter
    if report.edit and report.edit.originals != "kept":
        return "none, as it would hold the change of weights in the clear"
    if not written:
        return "none, as the change is of no low rank, or MODEL is an adapter and no plain LoRA"
    return f"{shown(kept / 'adapter')} (rank {written.rank}, {written.left_out:.2g} of the change left out)"


def show_checked(checked: CheckedReport) -> None:
    """Say whether a folder agrees with itself, and what does not."""
    if json_wanted():
        print_result(
            checked.exit_code,
            folder=checked.folder,
            verdict=checked.report.verdict if checked.report else None,
            disagreements=checked.disagreements,
            unchecked=checked.unchecked,
            notes=checked.notes,
        )
        return
    console = Console(highlight=False)
    told = (("Does not agree", "red", checked.disagreements), ("Not compared", "yellow", checked.unchecked))
    for heading, style, lines in told:
        if lines:
            console.print(f"{heading}:", style=style)
        for line in lines:
            console.print(f"  {line}.", soft_wrap=True, markup=False)
    for line in checked.notes:
        console.print(f"{line}.", style="dim", soft_wrap=True, markup=False)
    if checked.report is None:
        console.print("Name an output folder of audit, erase or verify, as the run wrote it.")
    if not checked.disagreements:
        what = "All that could be compared agrees" if checked.unchecked else "All agrees"
        said = f' "{checked.report.verdict}" (exit code {checked.report.exit_code})' if checked.report else ""
        console.print(f"{what}. The report says:{said}", soft_wrap=True, markup=False)


def show_cases(rows: Sequence[CaseRow]) -> None:
    """Say of each request that was erased with others what leaks; nothing where there was one."""
    console = Console(highlight=False)
    for row in rows[:CASES_SHOWN]:
        after = "" if row.leaked_after is None else f" → {row.leaked_after:,}"
        console.print(
            f"{row.case}: {plural(row.facts, 'fact')}, leaked {row.leaked_before:,}{after}",
            soft_wrap=True,
            markup=False,
        )
    if len(rows) > CASES_SHOWN:
        console.print(f"and {plural(len(rows) - CASES_SHOWN, 'more request')}, in the report")


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
