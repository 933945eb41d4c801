"""Files and folders that several processes may want: locks that end with their process, and digests."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed, which the end of its process does too.

    Returns:
        Whether it is locked for this process now; None where the system, or the disk, knows no locks.
    """
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file or folder for this process alone until the block ends, once nobody else holds it.

    Where the system, or the disk, knows no locks, it is not held.
    """
    descriptor = _wait_for_lock(path)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for_lock(path: Path) -> int | None:
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def file_digest(path: Path) -> str:
    """Return the sha256, in hexadecimal, of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
