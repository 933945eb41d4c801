"""How far a dictionary command is, on the terminal."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dictionaries import TokenBatch
    from editor.progress import Advance, Stages

TITLES = {
    "activations": "Reading activations",
    "training": "Training",
    "cross-entropy": "Splicing reconstructions into the model",
}


@contextmanager
def showing(stages: "Stages") -> "Iterator[Any]":
    """One stage after another from (what, how far, end)."""
    with ExitStack() as stack:
        bar = _Bar(stages, stack)
        yield bar


class _Bar:
    def __init__(self, stages: "Stages", stack: ExitStack) -> None:
        self._stages, self._stack = stages, stack
        self._what, self._done = "", 0
        self._advance: Advance = lambda _: None

    def __call__(self, what: str, done: int, end: int | None) -> None:
        if what != self._what:
            self._stack.close()
            self._what, self._done = what, 0
            self._advance = self._stack.enter_context(self._stages.stage(TITLES[what], end))
        self._advance(done - self._done)
        self._done = done


def advancing(batches: "list[TokenBatch]", advance: "Advance") -> "Iterator[TokenBatch]":
    """Batches, each told of once it is used."""
    for batch in batches:
        yield batch
        advance(1)
