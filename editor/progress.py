"""Progress of long stages, reported to whoever runs the pipeline."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Stages(Protocol):
    """Display of one stage after another."""

    def stage(self, title: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Open a stage; the value is called with the number of steps done."""
        ...


class Silent:
    """Display of nothing: for libraries and tests."""

    @contextmanager
    def stage(self, title: str, total: int | None = None) -> Iterator[Advance]:  # noqa: ARG002
        """Open a stage that nobody sees."""
        yield lambda _: None
