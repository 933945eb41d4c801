"""Progress bars on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from editor.progress import Advance, Silent, Stages, return_memory


def stage_columns() -> tuple[ProgressColumn, ...]:
    """Return what a stage's line shows: the title, how far it is, how long it took, and how long it still takes."""
    return (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description:<42}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=False),
    )


class RichStages:
    """One line a stage: what happens, how far it is, how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:
        """Show a stage until the block ends."""
        try:
            with Progress(*stage_columns(), console=self.console) as progress:
                task = progress.add_task(title, total=total)
                yield lambda steps: progress.advance(task, steps)
                done = progress.tasks[0].completed or 1
                progress.update(task, total=done, completed=done)
        finally:
            return_memory()


def make_stages(*, quiet: bool) -> Stages:
    """Return bars on standard error, or nothing."""
    return Silent() if quiet else RichStages(Console(stderr=True))
