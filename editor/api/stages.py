"""Progress bars on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from editor.progress import Advance, Silent, Stages, return_memory

SLOWEST_S = 3600.0
"""Seconds that a stage's steps may take each for the time left to be known: rich forgets what is older."""


def stage_columns() -> tuple[ProgressColumn, ...]:
    """Return what a stage's line shows: the title, how far it is, how long it took, and how long it still takes."""
    return (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=14),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=False),
    )


def begin(
    console: Console, title: str, total: int | None, kind: Callable[..., Progress] = Progress
) -> tuple[Progress, TaskID]:
    """Return the display of a stage, which its `with` block shows, and its task."""
    progress = kind(*stage_columns(), console=console, speed_estimate_period=SLOWEST_S)
    task = progress.add_task(title, total=total)
    progress.advance(task, 0)  # from here on time is counted: the first step tells what is left
    return progress, task


class RichStages:
    """One line a stage: what happens, how far it is, how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """Show a stage until the block ends."""
        try:
            progress, task = begin(self.console, title, total)
            with progress:
                yield lambda steps: progress.advance(task, steps)
                done = progress.tasks[0].completed or 1
                progress.update(task, total=done, completed=done)
        finally:
            return_memory()


def make_stages(*, quiet: bool) -> Stages:
    """Return bars on standard error, or nothing."""
    return Silent() if quiet else RichStages(Console(stderr=True))
