"""Being told to stop: signals end a command as Ctrl-C does, and what is kept of its work is told."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from policies.errors import OutputError

STOPPING = ("SIGTERM", "SIGHUP")
"""Signals that end a process: of a service that stops it, of a terminal that is closed."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt on a signal of `STOPPING` inside the `with` block, so that it tidies up what Ctrl-C does.

    A second one is ignored until the block is left: it would break off the tidying. One that was ignored before, as
    `nohup` has it, stays so. Only the main thread may set this; in another nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    changed = [number for number in numbers if before[number] not in (signal.SIG_IGN, None)]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])


@contextmanager
def telling_what_is_kept(kept: Path, how: str) -> Iterator[None]:
    """Say where the block raises that what was made so far can be resumed.

    Args:
        kept: folder that holds it, if anything was made.
        how: how it is resumed.
    """
    try:
        yield
    except BaseException as error:
        if kept.exists() and not isinstance(error, OutputError):
            click.echo(f"What is finished is in {kept}: {how}.", err=True)
        raise
