"""How far the jobs of a comparison are: each, in a process of its own, writes a byte to its file after every step."""

from collections.abc import Callable
from pathlib import Path

STEPS = 10
"""Steps of a job: where its facts sit, its search, and fitting and measuring at each of four operating points."""


class StepFile:
    """The file of one job; None for nobody who looks.

    Args:
        path: the file; what a killed job left in it is gone.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.write_bytes(b"")

    def done(self, steps: int = 1) -> None:
        """Say that some steps are done."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(b"." * steps)


class StepCounter:
    """What is done of all jobs, told to a bar.

    Args:
        advance: function called with the number of steps done since.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._told: dict[Path, int] = {}

    def look(self, path: Path) -> None:
        """Tell what a running job has done since."""
        if path.exists():
            self._tell(path, min(STEPS, path.stat().st_size))

    def end(self, path: Path) -> None:
        """Tell the rest of a job that is finished, and remove its file."""
        self._tell(path, STEPS)
        path.unlink(missing_ok=True)

    def _tell(self, path: Path, done: int) -> None:
        told = self._told.get(path, 0)
        if done > told:
            self._advance(done - told)
            self._told[path] = done
