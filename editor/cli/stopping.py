"""Being told to stop: SIGTERM ends a command as Ctrl-C does, and what is kept of its work is told."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from policies.errors import OutputError


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """Raise KeyboardInterrupt on a SIGTERM inside the `with` block, so that it tidies up what Ctrl-C does.

    A second one is ignored until the block is left: it would break off the tidying. Only the main thread may set
    this; in another nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
