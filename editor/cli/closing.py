"""The beginning and the end of every command that writes a folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from editor.artefacts.masking import CaseKey
from editor.artefacts.output import OutputFolder
from editor.artefacts.scanner import SecretScanner
from editor.measuring.summaries import versions
from editor.report import closing_sentence, closing_table, write_report

if TYPE_CHECKING:
    from editor.case import Case
    from editor.pipeline import RunInfo
    from editor.results.report import Report


def open_output(options: dict[str, Any]) -> OutputFolder:
    """The output folder of a command: written whole, or not at all."""
    return OutputFolder(
        options["output"], overwrite=options["overwrite"], versions=versions(), seed=options.get("seed") or 0
    )


def close(output: OutputFolder, case: "Case", run: "RunInfo", report: "Report") -> None:
    """Store the case key, write the report, checked for every secret, and say in plain words what came out."""
    output.scanner = scanner_for(case, run.key)
    output.seed = case.seed
    output.inputs = {
        "policy": report.policy.digest,
        "model": report.model_before.digest,
        "corpus": report.scope.corpus,
    }
    run.key.store()
    write_report(output, report)
    console = Console()
    console.print(closing_table(report))
    console.print(closing_sentence(report))
    console.print(f"Report: {shown(output.destination / 'report.html')}", soft_wrap=True)
    if report.kind == "erase":
        console.print(f"Checkpoint: {shown(output.destination / 'model')}", soft_wrap=True)
        console.print(
            "The edit folder and the case key lead back to the facts: keep them apart, or destroy them.",
            style="dim",
        )


def shown(path: Path) -> str:
    """The path as it is, or relative to the working folder where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive
        return str(path)
    return min(str(path), relative, key=len)


def scanner_for(case: "Case", key: CaseKey) -> SecretScanner:
    """A scanner for every secret known to the case and the full names of the people in scope."""
    names = {fact.subject for fact in case.erased if " " in fact.subject}
    return SecretScanner.from_facts(case.all_facts(), key, names)
