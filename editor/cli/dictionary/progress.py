"""Progress of a dictionary command, on the terminal."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from editor.api.stages import begin
from editor.cli.dictionary.tables import figures_table
from editor.cli.fitting import fitted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from dictionaries import Site, TokenBatch
    from dictionaries.training.log import LogEntry
    from editor.progress import Advance, Stages

TITLES = {
    "activations": "Reading activations",
    "training": "Training",
    "judging": "Naming features",
    "cross-entropy": "Splicing reconstructions into the model",
}


@contextmanager
def showing(stages: "Stages") -> "Iterator[Any]":
    """Yield a callback (what, done, end) that shows one stage after another, and has `note` for figures."""
    with ExitStack() as stack:
        bar = _Bar(stages, stack)
        yield bar


class _Bar:
    def __init__(self, stages: "Stages", stack: ExitStack) -> None:
        self._stages, self._stack = stages, stack
        self._what, self._done = "", 0
        self._advance: Advance = lambda _: None
        self._figures: dict[Site, LogEntry] = {}

    def __call__(self, what: str, done: int, end: int | None) -> None:
        if what != self._what:
            self._stack.close()
            self._what, self._done = what, 0
            self._advance = self._stack.enter_context(self._stage(what, end))
        self._advance(done - self._done)
        self._done = done

    def note(self, moment: "LogEntry") -> None:
        """Show a site's latest figures below the bar."""
        self._figures[moment.site] = moment

    def _stage(self, what: str, end: int | None) -> Any:
        console = getattr(self._stages, "console", None)
        if what == "training" and console is not None:
            return _training_stage(console, end, self._figures)
        return self._stages.stage(TITLES[what], end)


class _TrainingProgress(Progress):
    """A progress bar with a row of figures for each site below it."""

    def __init__(self, figures: "dict[Site, LogEntry]", *columns: Any, **options: Any) -> None:
        self.figures = figures  # read as soon as there is a task
        super().__init__(*columns, **options)

    def get_renderables(self) -> "Iterable[RenderableType]":
        yield self.make_tasks_table(self.tasks)
        if self.figures:
            yield fitted(figures_table(list(self.figures.values())), self.console.width)


@contextmanager
def _training_stage(
    console: "Console", end: int | None, figures: "dict[Site, LogEntry]"
) -> "Iterator[Advance]":
    progress, task = begin(console, TITLES["training"], end, partial(_TrainingProgress, figures))
    with progress:
        yield lambda steps: progress.advance(task, steps)


def advancing(batches: "list[TokenBatch]", advance: "Advance") -> "Iterator[TokenBatch]":
    """Yield batches, and advance by 1 after each is used."""
    for batch in batches:
        yield batch
        advance(1)
