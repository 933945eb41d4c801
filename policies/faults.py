"""What the machine refuses in the middle of a run, said by its cause: a full disk, too little memory, no permission."""

import errno
import re
from typing import NamedTuple

from policies.errors import ExitCode, ExpungeError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_BARRED = (errno.EACCES, errno.EPERM, errno.EROFS)
# Libraries that write in Rust or C++ tell the reason in their message alone.
_SAID_FULL = re.compile(r"No space left on device|Disk quota exceeded|os error 28\b|code: 28\b")
_SAID_MEMORY = re.compile(r"not enough memory|(can't|cannot) allocate memory|out of memory", re.IGNORECASE)


class Fault(NamedTuple):
    """A fault of the machine, in the words of an error.

    Attributes:
        cause: sentence on what is wrong, without its full stop.
        remedy: sentence on what the user can do about it, without its full stop.
    """

    cause: str
    remedy: str


def causes(error: BaseException) -> list[BaseException]:
    """Return an error and what it was raised from, the error first."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def is_disk_full(error: BaseException) -> bool:
    """Return whether something could not be written because its disk is full."""
    return any(
        (isinstance(cause, OSError) and cause.errno in _FULL) or bool(_SAID_FULL.search(str(cause)))
        for cause in causes(error)
    )


def is_memory_short(error: BaseException) -> bool:
    """Return whether something failed for want of memory, on the processor's side or on a GPU."""
    return any(
        isinstance(cause, MemoryError)
        or type(cause).__name__ == "OutOfMemoryError"
        or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM)
        or (isinstance(cause, RuntimeError) and bool(_SAID_MEMORY.search(str(cause))))
        for cause in causes(error)
    )


def find_fault(error: BaseException) -> Fault | None:
    """Return the fault of the machine that an error comes from; None where it comes from something else."""
    if is_disk_full(error):
        return Fault(
            "The disk is full (no space left on device)",
            "Free some space, or name an output on another disk, and give the same command again",
        )
    if is_memory_short(error):
        return Fault(
            "Memory ran out",
            "Give a smaller --batch-size or fewer --processes, or take a machine with more memory",
        )
    if isinstance(error, OSError) and error.errno in _BARRED:
        where = f" {error.filename}" if error.filename else ""
        return Fault(
            f"The file{where} may not be read or written ({error.strerror})",
            "Change its permissions, or name another path",
        )
    return None


class Failure(NamedTuple):
    """Why there is no result, as a command says it.

    Attributes:
        code: exit code.
        cause: sentence on what is wrong, without its full stop.
        remedy: sentence on what the user can do about it, without its full stop.
    """

    code: ExitCode
    cause: str
    remedy: str


def explain(error: BaseException) -> Failure:
    """Return what is to be said of an error: its own words, the machine's fault, or that there is a defect."""
    if isinstance(error, ExpungeError):
        return Failure(ExitCode(error.exit_code), error.cause, error.remedy)
    if isinstance(error, KeyboardInterrupt):
        return Failure(ExitCode.INCOMPLETE, "Stopped", "Nothing was written")
    fault = find_fault(error)
    if fault is not None:
        return Failure(ExitCode.USAGE, fault.cause, fault.remedy)
    return Failure(
        ExitCode.INTERNAL,
        f"Internal error: {type(error).__name__} in {_place(error)}",
        "This is a defect of Expunge; its message is withheld, because it may hold personal data. "
        "Set EXPUNGE_TRACEBACK=1 to see it",
    )


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame is not None else "?"
