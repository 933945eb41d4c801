"""A list of what was erased when: one line a run, each with the sha256 of the line before it.

Lines are appended and never changed. A line that is changed or taken out breaks the chain at the one after it; what
protects the last line is the folder that it is about. There is no personal data in it.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detectors.files import file_digest
from editor.artefacts.replacing import MANIFEST
from editor.results.report import Report
from policies.errors import OutputError

LEDGER_VERSION = 1
START = "0" * 64
"""What stands for the digest of the line before the first."""
DIGEST = "^[0-9a-f]{64}$"


class Entry(BaseModel):
    """One line."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: int = LEDGER_VERSION
    number: int
    """Number of the line, from 1."""
    previous: str = Field(pattern=DIGEST)
    """sha256 of the line before, without its end of line."""
    case: str = Field(pattern=DIGEST)
    """Keyed hash of the case's name."""
    time: str
    """When the run ended."""
    checkpoint_before: str = Field(pattern=DIGEST)
    checkpoint_after: str | None
    policy: str = Field(pattern=DIGEST)
    verdict: str
    exit_code: int
    manifest: str = Field(pattern=DIGEST)
    """sha256 of the output folder's manifest."""

    def line(self) -> str:
        """Return the line, without its end."""
        return json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Ledger:
    """A ledger's file.

    Attributes:
        path: The file; it need not be there before the first line.
    """

    path: Path

    def entries(self) -> tuple[Entry, ...]:
        """Return all lines, once the chain is known to hold; none where there is no file.

        Raises:
            OutputError: the file cannot be read, or a line does not follow from the one before it.
        """
        try:
            data = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise self._unusable(f"cannot be read ({error.strerror})") from None
        return self._parsed(data)

    def check_writable(self) -> None:
        """Refuse before the work begins what could not be appended to after it.

        Raises:
            OutputError: the chain is broken, or nobody may write here.
        """
        self.entries()
        target = self.path if self.path.exists() else self.path.absolute().parent
        if not (target.exists() and os.access(target, os.W_OK)):
            raise self._unusable("cannot be written")

    def append(self, folder: Path, report: Report) -> Entry:
        """Append the line of a finished folder: wholly or not at all, one process at a time.

        Raises:
            OutputError: the chain is broken, or the line cannot be written; the folder stays as it is.
        """
        try:
            with self._locked() as stream:
                data = stream.read()
                entries = self._parsed(data)
                previous = _digest(entries[-1].line()) if entries else START
                entry = entry_of(folder, report, number=len(entries) + 1, previous=previous)
                _append(stream, len(data), f"{entry.line()}\n".encode())
        except OSError as error:
            raise self._unusable(f"cannot be written ({error.strerror})") from None
        return entry

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """Open the file for reading and writing, with a lock that ends with the block or the process."""
        import fcntl

        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "r+b", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield stream

    def _parsed(self, data: bytes) -> tuple[Entry, ...]:
        *lines, rest = data.split(b"\n")
        if rest:
            raise self._unusable(f"ends in the middle of line {len(lines) + 1}")
        entries: list[Entry] = []
        previous = START
        for number, line in enumerate(lines, start=1):
            try:
                entry = Entry.model_validate(json.loads(line))
            except (ValueError, ValidationError, RecursionError):
                raise self._unusable(f"holds no entry in line {number}") from None
            if entry.line().encode() != line or (entry.number, entry.previous) != (number, previous):
                raise self._unusable(f"is broken: line {number} does not follow from the line before it")
            entries.append(entry)
            previous = _digest(entry.line())
        return tuple(entries)

    def _unusable(self, what: str) -> OutputError:
        return OutputError(
            f"The ledger {self.path} {what}", "Name another file, or restore this one from a copy"
        )


def entry_of(folder: Path, report: Report, *, number: int, previous: str) -> Entry:
    """Return what a ledger says of a finished folder."""
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return Entry(
        number=number,
        previous=previous,
        case=manifest["inputs"]["case"],
        time=manifest["ended"],
        checkpoint_before=report.model_before.digest,
        checkpoint_after=report.model_after.digest if report.model_after else None,
        policy=report.policy.digest,
        verdict=report.verdict,
        exit_code=report.exit_code,
        manifest=file_digest(folder / MANIFEST),
    )


def _append(stream: IO[bytes], end: int, line: bytes) -> None:
    """Write a line at the end and onto the disk; where that fails, the file is as it was."""
    try:
        stream.seek(end)
        if stream.write(line) != len(line):
            raise OSError(None, "the disk is full")
        os.fsync(stream.fileno())
    except BaseException:
        stream.truncate(end)
        raise


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
