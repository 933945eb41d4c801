"""One mutated input: what its reader did, how long it took, how much it held, and what it wrote elsewhere."""

import os
import shutil
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from fuzz.mutating import mutated
from fuzz.reader import Reader, copied
from policies.errors import ExpungeError

MOST_S = 5.0
MOST_MIB = 1024
MOST_WAITING = 20
"""Time by the clock over that of the processor: machines are shared."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = (
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
)


class HangError(BaseException):
    """A reader took longer than it may; no `except Exception` of it takes this."""


@dataclass
class Tally:
    """What became of a reader's inputs.

    Attributes:
        inputs: number of inputs.
        read: number that were read, mutated as they are.
        refused: number that were refused with an error of the project's.
        crashes: places and kinds of other errors, each with how often, and with a number that gives it again.
        hangs: numbers of the inputs that took too long.
        outside: paths that were written outside the input's folder.
        slowest_s: longest time of an input, of the processor.
        most_mib: most memory by which the process grew.
    """

    inputs: int = 0
    read: int = 0
    refused: int = 0
    crashes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)
    hangs: list[int] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    most_mib: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether there was no crash, no hang, no swelling and no write outside."""
        return not self.crashes and not self.hangs and not self.outside and self.most_mib < MOST_MIB


class Watch:
    """A watch of what a process writes, by Python's audit events; one for a process."""

    def __init__(self) -> None:
        self.allowed: Path | None = None
        self.found: list[str] = []
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.allowed is None:
            return
        is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if is_writing or event in _CHANGING:
            self._note(arguments[0])

    def _note(self, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            name = os.fsdecode(path)
            inside = os.path.abspath(name).startswith(str(self.allowed))  # noqa: PTH100
            if not inside and name != os.devnull and "__pycache__" not in name:
                self.found.append(name)


def try_input(
    reader: Reader, number: int, seeds: Path, place: Path, chance: Random, tally: Tally, watch: Watch
) -> None:
    """Mutate one of a reader's files, read it, and count what happened."""
    folder = place / "input"
    shutil.rmtree(folder, ignore_errors=True)
    files = copied(reader, seeds, folder)
    file = chance.choice(files)
    file.write_bytes(mutated(file.read_bytes(), chance))
    tally.inputs += 1
    held, began = resident_mib(), time.process_time()
    watch.allowed = place
    try:
        with limited(MOST_S), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read(folder)
        tally.read += 1
    except ExpungeError:
        tally.refused += 1
    except HangError:
        tally.hangs.append(number)
    except Exception as error:
        name = told(error)
        tally.crashes[name] += 1
        tally.examples.setdefault(name, number)
    finally:
        watch.allowed = None
    tally.outside += watch.found
    watch.found = []
    tally.slowest_s = max(tally.slowest_s, time.process_time() - began)
    tally.most_mib = max(tally.most_mib, resident_mib() - held)


def told(error: BaseException) -> str:
    """Return what an error is and where it was raised, in our own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "/fuzz/" not in one.filename and "site-packages" not in one.filename]
    last = (ours or frames)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno} ({str(error)[:80]!r})"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise HangError in the block once it has computed so long, or waited `MOST_WAITING` times as long."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise HangError

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, 1), signal.SIGALRM: (signal.ITIMER_REAL, MOST_WAITING)}
    before = {number: signal.signal(number, late) for number in timers}
    for timer, factor in timers.values():
        signal.setitimer(timer, factor * seconds)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def resident_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
