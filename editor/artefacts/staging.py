"""The folder that an output is made in: beside its place, locked while a run owns it, moved there in one step.

A run that was killed leaves its folder behind, originals and all. Its lock ended with it, and so the next run to the
same place removes it.
"""

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from detectors.files import try_lock
from policies.errors import OutputError
from policies.faults import find_fault

PRIVATE = 0o700
"""Mode of a folder that its owner alone may look into."""
_LEFT = re.compile(r"(partial|replaced)-[0-9a-f]{8}")


class Staging:
    """The folder of an output until it is finished.

    Args:
        destination: path of the finished folder, without links in it.
        private: whether the finished folder stays readable by its owner alone, as it is while it is made.

    Attributes:
        path: the folder to write to.
    """

    def __init__(self, destination: Path, *, private: bool = False) -> None:
        self._destination = destination
        self._private = private
        self.path = self._beside(f".{destination.name}.partial-")
        self._made: list[Path] = []
        self._mode = PRIVATE
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folder, for its owner alone, and remove what runs to the same place left that were killed.

        Raises:
            OutputError: the folder cannot be made, or another run writes to the same place.
        """
        try:
            self._made = _make_parents(self.path.parent)
            self.path.mkdir()
            self._mode = PRIVATE if self._private else self.path.stat().st_mode & 0o777
            self.path.chmod(PRIVATE)
        except OSError as error:
            self.remove()
            raise OutputError(
                f"The output folder {self._destination} cannot be written ({error.strerror})",
                "Name a folder where you may write",
            ) from None
        try:
            self._lock = _opened(self.path)
            if self._lock is not None and try_lock(self._lock):
                self._clear_away()
        except BaseException:
            self.remove()
            raise

    def move(self, check: Callable[[Path], None] | None) -> None:
        """Put the folder in its place; where that is refused, put back what stood there.

        Args:
            check: refuses, by an `OutputError`, a folder that must not be replaced; None for replacing nothing but an
                empty one.

        Raises:
            OutputError: something else stands there by now: the folder is kept beside it, and named. Or it cannot be
                moved.
        """
        replaced = self._beside(f".{self._destination.name}.replaced-")
        try:
            if check is not None and _is_full(self._destination):
                self._destination.rename(replaced)
                check(replaced)
            with suppress(OSError):
                self._destination.rmdir()  # an empty folder
            self.path.chmod(self._mode)
            self.path.rename(self._destination)
        except BaseException as error:
            if replaced.exists() and not self._destination.exists():
                replaced.rename(self._destination)
            if isinstance(error, OSError | OutputError):
                raise self._refused(error) from None
            raise
        shutil.rmtree(replaced, ignore_errors=True)
        self._made = []

    def remove(self) -> None:
        """Remove the folder, and those above it that were made for it as far as they are empty; end the lock."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:
                return

    def check_there(self) -> None:
        """Refuse to go on in a folder that is another than the one that was made: what was written is gone.

        Raises:
            OutputError: it was removed.
        """
        try:
            is_there = self._lock is None or os.path.samestat(os.fstat(self._lock), self.path.stat())
        except OSError:
            is_there = False
        if not is_there:
            raise self._taken_away()

    def explain(self, error: BaseException) -> OutputError | None:
        """Return the error of a run whose disk filled up, or whose folder was taken away; None for any other."""
        if self._lock is not None and not self.path.is_dir():
            return self._taken_away()
        fault = find_fault(error) if isinstance(error, Exception) else None
        if fault is None:
            return None
        return OutputError(f"{fault.cause}, and {self._destination} was not written", fault.remedy)

    def _taken_away(self) -> OutputError:
        return OutputError(
            f"The folder {self.path}, in which the output was made, was removed while the run worked",
            "Run again, and leave that folder alone until the run ends",
        )

    def _refused(self, error: OSError | OutputError) -> OutputError:
        """Keep a finished folder that cannot be put in its place, under another name, and say so."""
        aside = self._beside(f"{self._destination.name}.finished-")
        try:
            self.path.rename(aside)
        except OSError:
            reason = error.strerror if isinstance(error, OSError) else error.cause
            return OutputError(
                f"The output folder {self._destination} cannot be moved into place ({reason})",
                "Name another folder",
            )
        self._made = []
        reason = (
            error.cause
            if isinstance(error, OutputError)
            else f"something else stands there ({error.strerror})"
        )
        return OutputError(
            f"The output is finished, and was not put into {self._destination}: {reason}",
            f"It lies in {aside}: move it where you want it",
        )

    def _beside(self, begins: str) -> Path:
        return self._destination.with_name(f"{begins}{uuid.uuid4().hex[:8]}")

    def _clear_away(self) -> None:
        """Remove what killed runs left, and put back what one had moved away already.

        Raises:
            OutputError: one of them is at work.
        """
        for kind, path in sorted(self._left()):
            with _locked(path) as is_free:
                if kind == "partial" and is_free is False:
                    raise OutputError(
                        f"Another run is writing {self._destination}",
                        "Wait until it ends, or name another output",
                    )
                if kind == "replaced" and not self._destination.exists():
                    path.rename(self._destination)
                elif is_free:
                    shutil.rmtree(path, ignore_errors=True)

    def _left(self) -> Iterator[tuple[str, Path]]:
        begins = f".{self._destination.name}."
        for path in self.path.parent.iterdir():
            match = _LEFT.fullmatch(path.name.removeprefix(begins)) if path.name.startswith(begins) else None
            if match and path != self.path and path.is_dir() and not path.is_symlink():
                yield match[1], path


def _opened(folder: Path) -> int | None:
    """Open a folder for a lock; None where the system does not open folders."""
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None


@contextmanager
def _locked(folder: Path) -> Iterator[bool | None]:
    """Yield whether nobody else holds a folder, and hold it meanwhile; None where that cannot be told."""
    descriptor = _opened(folder)
    try:
        yield None if descriptor is None else try_lock(descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _is_full(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder and what is missing above it; return what was made, innermost first."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing
