"""A model's files from anybody: whatever a library stumbles over in them is an error of theirs, with a remedy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from policies.errors import ExpungeError, ModelError
from policies.faults import find_fault

P = ParamSpec("P")
R = TypeVar("R")


def usable_files(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function of a model's source turn errors that nobody foresaw into one of the model's files.

    Args:
        function: reads a model; its first argument is the path or hub name that the user gave.
    """

    @wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except ExpungeError:
            raise
        except Exception as error:
            source = arguments[0] if arguments else options["source"]
            fault = find_fault(error)
            if fault is not None:
                raise ModelError(f"{fault.cause} while {source} was read", fault.remedy) from error
            raise ModelError(
                f"The files of {source} are damaged, or do not fit together ({type(error).__name__})",
                "Check its config.json and its tokenizer's files, or fetch the checkpoint again",
            ) from error

    return guarded


@contextmanager
def unchanged(folder: Path) -> Iterator[None]:
    """Refuse a checkpoint folder of which a file is another after the block than before it.

    Args:
        folder: the checkpoint; what is no folder is not looked at.

    Raises:
        ModelError: a file was changed while it was read, and is named.
    """
    before = _states(folder)
    yield
    after = _states(folder)
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if changed:
        raise ModelError(
            f"{folder / changed[0]} was changed while the model was read",
            "Run again once nobody writes to it, or on a copy",
        )


def _states(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return of each file what changes when it is written: its number, size and time."""
    if not folder.is_dir():
        return {}
    found = {path.name: path.stat() for path in folder.iterdir() if path.is_file()}
    return {name: (state.st_ino, state.st_size, state.st_mtime_ns) for name, state in found.items()}
