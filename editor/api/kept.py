"""What a run has made so far: where that lies until it has ended, and whether one was stopped when it had."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from editor.api.call_text import UNTOLD
from editor.api.requests import CaseRequest
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.measuring.summaries import renderers, versions
from editor.processes import group

REPORT = "report.json"
NOT_WHAT_IS_ASKED = (*UNTOLD, "overwrite", "resume")
"""Fields of requests that change nothing of what is made."""


def unfinished_beside(output: str | Path) -> Path:
    """Return the folder of what a run has made so far, until the whole is written: beside the output."""
    destination = Path(output).resolve()
    return destination.with_name(f"{destination.name}.unfinished")


def keep_work(request: CaseRequest, *, resume: bool) -> KeptWork:
    """Return where a run keeps what it has made; nowhere without `resume` or an output folder."""
    if not resume or request.output is None:
        return NOTHING_KEPT
    return KeptWork(folder=unfinished_beside(request.output), inputs=(versions() | renderers(),))


def is_ended(request: CaseRequest, work: KeptWork, report: str = REPORT) -> bool:
    """Return whether the same run was stopped after its output was in its place, with more to do: it is then replaced.

    Args:
        request: what is asked.
        work: what is kept of the stopped run.
        report: name of the file that tells the output.
    """
    return group().main and work.has_ended_with(Path(request.output or "") / report, *_asked(request))


def about_to_end(request: CaseRequest, work: KeptWork, folder: Path, report: str = REPORT) -> None:
    """Keep that the output which lies in `folder` is whole: all that follows is putting it into its place.

    Raises:
        OutputError: that cannot be written.
    """
    if group().main:
        work.end_with(folder / report, *_asked(request))


def _asked(request: CaseRequest) -> tuple[Any, ...]:
    """Return what is asked: another command with the same output replaces nothing unasked."""
    given = {item.name: getattr(request, item.name) for item in fields(request)}
    return type(request).__name__, {
        name: value for name, value in given.items() if name not in NOT_WHAT_IS_ASKED
    }
