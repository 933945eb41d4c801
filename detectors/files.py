"""Files and folders that several processes may want: locks that end with their process, and digests."""

import hashlib
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


def file_digest(path: Path) -> str:
    """Return the sha256, in hexadecimal, of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
