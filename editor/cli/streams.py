"""Standard output and standard error that may be closed or full: no run is lost for want of a reader."""

import errno
import io
import os
import sys
from typing import Any, TextIO

STANDARD = (0, 1, 2)


class Tolerant(io.FileIO):
    """A stream to a descriptor, which takes everything; what cannot be written any more is dropped.

    Attributes:
        failure: why it could not be written; None where everything was.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write bytes, or drop them once writing has failed."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


def guard_streams() -> None:
    """Make standard output and standard error tolerant, and take their numbers from no file that is opened later.

    A character that the terminal's encoding lacks is written out instead of ending the run.
    """
    for descriptor in STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file opened would be it
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = _tolerant(sys.stdout, 1)
    sys.stderr = _tolerant(sys.stderr, 2)


def output_failure() -> str | None:
    """Return why standard output could not be written, once it is flushed; None where it could, or nobody reads it."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, Tolerant):
        return None
    sys.stdout.flush()
    if raw.failure is None or raw.failure.errno == errno.EPIPE:
        return None
    return raw.failure.strerror


def _tolerant(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is not None:
        stream.flush()
    errors = getattr(stream, "errors", None) or "backslashreplace"
    return io.TextIOWrapper(
        io.BufferedWriter(Tolerant(descriptor, "w", closefd=False)),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace" if errors == "strict" else errors,
        line_buffering=descriptor == 2 or bool(getattr(stream, "line_buffering", False)),
    )
