"""Progress of long stages, reported to whoever runs the pipeline."""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
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
        try:
            yield lambda _: None
        finally:
            return_memory()


_STEP: ContextVar[Advance | None] = ContextVar("step", default=None)
"""What the steps of a fit are told to; None where nobody wants to know."""


@contextmanager
def told_steps(advance: Advance) -> Iterator[None]:
    """Have the steps of a fit in the `with` block told to a stage: methods know of none."""
    token = _STEP.set(advance)
    try:
        yield
    finally:
        _STEP.reset(token)


def tell_step() -> None:
    """Say that a step of a fit is done."""
    advance = _STEP.get()
    if advance is not None:
        advance(1)


def return_memory() -> None:
    """Give memory that was freed back to the system, where the allocator is told to keep it (glibc).

    A process that keeps large blocks for reuse is faster within a stage, and the next stage needs others.
    """
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim`; None under another allocator."""
    try:
        found: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return found
