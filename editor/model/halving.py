"""Batches that memory has no room for: run in halves, or made smaller and run again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self, TypeVar

import torch

from editor.model.tokens import batch_limit, gradient_budget, limit_batches
from editor.progress import return_memory
from policies.faults import is_memory_short

LEAST_HALVED = 16
"""Tokens of a batch that is not made smaller any more."""


class Halved(Protocol):
    """What can be run in halves."""

    def halves(self) -> "Sequence[Self]":
        """Return both halves, in order; itself alone where it has one row."""
        ...


B = TypeVar("B", bound=Halved)
R = TypeVar("R")


def in_halves(work: Callable[[B], R], batch: B, join: Callable[[list[R]], R]) -> R:
    """Return what comes of a batch; where memory runs out, what comes of its halves, each treated alike.

    Args:
        work: what is done with a batch. It leaves nothing behind where it raises.
        batch: the batch.
        join: makes one result of those of both halves, in order.

    Raises:
        Exception: what the work raised, where it was no lack of memory, or one row is too much already.
    """
    try:
        return work(batch)
    except Exception as error:
        parts = batch.halves() if is_memory_short(error) else ()
        if len(parts) < 2:
            raise
    _free()  # out of the block, in which the error holds what was computed
    return join([in_halves(work, part, join) for part in parts])


def in_smaller_batches(model: Any, work: Callable[[], R]) -> R:
    """Return what comes of some work; where memory runs out, let batches be half as large, and do it again.

    Args:
        model: the model whose limit is lowered; see `kept_limit`.
        work: what makes its own batches, and can be done again where it raised.

    Raises:
        Exception: what the work raised, where it was no lack of memory, or batches are small already.
    """
    while True:
        try:
            return work()
        except Exception as error:
            half = gradient_budget(model) // 2
            if not is_memory_short(error) or half < LEAST_HALVED:
                raise
        _free()
        limit_batches(model, half)


@contextmanager
def kept_limit(model: Any) -> Iterator[None]:
    """Put back the limit of a model's batches on leaving the `with` block."""
    limit = batch_limit(model)
    try:
        yield
    finally:
        limit_batches(model, limit)


def _free() -> None:
    """Give memory back that was freed."""
    return_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
