"""Work that is kept until a run has ended, so that one that was killed is resumed by the same command.

Each piece is a folder that is whole or not there, under the digest of everything that it was made from. So what was
made from other inputs, or by another version, is never taken for it.
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, TypeAdapter
from torch import Tensor, nn

from detectors.files import file_digest
from editor.processes import group
from policies.errors import ExpungeError, ModelError, OutputError

T = TypeVar("T")
PRIVATE = 0o700
"""Mode of folders: what is kept can lead back to the facts."""
DIGESTS = "digests.json"
"""File of a piece with the digests of its others."""
VALUE = "value.json"
"""File of a piece that is one value."""
ENDED = "ended"
"""Name of the piece that says which report a run was about to put into its place."""
_PIECE = re.compile(r"[\w-]+-[0-9a-f]{32}(\.partial-[0-9a-f]{8})?")


def _as_made(made: T) -> T:
    return made


@dataclass(frozen=True, kw_only=True)
class Form(Generic[T]):
    """How a piece of work is kept.

    What goes on from a piece must not tell whether it was made or read: sums depend on the order of what is summed,
    and products on how a matrix lies in memory.

    Attributes:
        write: writes it into a folder.
        read: reads it back, bit for bit.
        settle: puts what was made, also where nothing is kept, into the order and the layout that `read` gives.
    """

    write: Callable[[T, Path], None]
    read: Callable[[Path], T]
    settle: Callable[[T], T] = _as_made


def json_form(kind: Any) -> Form[Any]:
    """Return how a value of some type is kept that pydantic can read back; numbers that are none come back too."""
    adapter = TypeAdapter(kind)

    def write(made: Any, folder: Path) -> None:
        plain = adapter.dump_python(made, round_trip=True)
        (folder / VALUE).write_text(json.dumps(plain), encoding="utf-8")

    def read(folder: Path) -> Any:
        try:
            return adapter.validate_python(json.loads((folder / VALUE).read_bytes()))
        except (OSError, ValueError, RecursionError):
            raise ModelError(f"{folder / VALUE} is damaged", "Remove it") from None

    return Form(write=write, read=read)


@dataclass(frozen=True, kw_only=True)
class KeptWork:
    """What a run has made so far.

    Attributes:
        folder: where it is kept; None to keep nothing.
        inputs: what all of it is made from, the versions of what makes it among them.
    """

    folder: Path | None = None
    inputs: tuple[Any, ...] = ()

    def based_on(self, *inputs: Any) -> "KeptWork":
        """Return the same work, all of it made from further inputs too; what is large is looked through here once."""
        if self.folder is None:
            return self
        return replace(self, inputs=(digest_of([self.inputs, inputs]),))

    def once(self, name: str, inputs: Sequence[Any], form: Form[T], make: Callable[[], T]) -> T:
        """Return a piece of work, made once for equal inputs.

        Args:
            name: of the kind of work.
            inputs: everything else that it is made from.
            form: how it is kept.
            make: makes it.

        Raises:
            OutputError: it cannot be written.
        """
        processes = group()
        # One that works alone on its share keeps it itself.
        place = self._place(name, inputs) if processes.main or processes.count == 1 else None
        for found in processes.share(name, lambda: _found(place, form)):
            return found
        made = form.settle(make())

        def keep() -> T:
            if place is not None:
                self._keep(made, place, form)
            return made

        return processes.share(name, keep)

    def _place(self, name: str, inputs: Sequence[Any]) -> Path | None:
        """Return the folder of a piece of work; None where nothing is kept."""
        if self.folder is None:
            return None
        return self.folder / f"{name}-{digest_of([name, self.inputs, *inputs])[:32]}"

    def end_with(self, report: Path, *run: Any) -> None:
        """Keep that a run, described by `run`, is about to put this report into its place: it may be killed after that.

        Raises:
            OutputError: it cannot be written.
        """
        if self.folder is not None:
            digest = file_digest(report)
            self._keep(digest, self.folder / _ended(run, digest), json_form(str))

    def has_ended_with(self, report: Path, *run: Any) -> bool:
        """Return whether a run that is described alike has put this report into its place, and was killed then."""
        if self.folder is None or not report.is_file():
            return False
        digest = file_digest(report)
        return _found(self.folder / _ended(run, digest), json_form(str)) == [digest]

    def clear(self) -> None:
        """Remove pieces that were being written when a run was killed. No other run may be at work."""
        if group().main:
            self._remove(lambda name: ".partial-" in name)

    def remove(self) -> None:
        """Remove everything that was kept: the run has ended. What others have put into the folder stays."""
        # Last goes what says that it has ended: a run that is killed here is taken up once more.
        self._remove(lambda name: not name.startswith(f"{ENDED}-"))
        self._remove(lambda _: True)

    def _remove(self, which: Callable[[str], bool]) -> None:
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if _PIECE.fullmatch(path.name) and which(path.name):
                shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def _keep(self, made: T, place: Path, form: Form[T]) -> None:
        """Write a piece of work, whole or not at all."""
        partial = place.with_name(f"{place.name}.partial-{uuid.uuid4().hex[:8]}")
        try:
            place.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            partial.mkdir(mode=PRIVATE)
            form.write(made, partial)
            (partial / DIGESTS).write_text(json.dumps(_digests(partial), sort_keys=True), encoding="utf-8")
            try:
                partial.replace(place)
            except OSError:
                if not place.is_dir():  # another process has made the same
                    raise
        except OSError as error:
            raise OutputError(
                f"What a run has made so far cannot be kept in {place.parent} ({error.strerror})",
                "Make room there, and give the same command again",
            ) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)


NOTHING_KEPT = KeptWork()


def _ended(run: Sequence[Any], digest: str) -> str:
    return f"{ENDED}-{digest_of([*run, digest])[:32]}"


def _found(place: Path | None, form: Form[T]) -> list[T]:
    """Return what is kept in a place; nothing where nothing is, or it is damaged and to be made again."""
    if place is None or not place.is_dir():
        return []
    try:
        if _is_intact(place):
            return [form.read(place)]
    except ExpungeError:
        pass
    shutil.rmtree(place, ignore_errors=True)
    return []


def _is_intact(piece: Path) -> bool:
    """Return whether the files of a piece are those that were written."""
    try:
        return bool(json.loads((piece / DIGESTS).read_bytes()) == _digests(piece))
    except (OSError, ValueError, RecursionError):
        return False


def _digests(piece: Path) -> dict[str, str]:
    files = (path for path in piece.rglob("*") if path.is_file() and path.name != DIGESTS)
    return {path.relative_to(piece).as_posix(): file_digest(path) for path in files}


def digest_of(value: Any) -> str:
    """Return the sha256, in hexadecimal, of a value: equal for equal ones.

    Args:
        value: tensors, arrays, modules, dataclasses, pydantic's models, mappings, sequences, sets, dates, and what
            those hold.

    Raises:
        TypeError: it holds something else.
    """
    digest = hashlib.sha256()
    _feed(digest.update, value)
    return digest.hexdigest()


def _feed(add: Callable[[bytes], None], value: Any) -> None:
    """Add a value's kind and content, each closed, so that no two values read alike."""
    if value is None or isinstance(value, str | bytes | bool | int | float | Path | date | torch.dtype):
        add(f"{type(value).__name__} {value!r};".encode())
    elif isinstance(value, Tensor | np.ndarray):
        _feed_numbers(add, value)
    elif isinstance(value, nn.Module):
        _feed(add, value.state_dict())
    elif is_dataclass(value) and not isinstance(value, type):
        add(f"{type(value).__name__} (".encode())
        for item in fields(value):
            if item.init:
                add(f"{item.name} ".encode())
                _feed(add, getattr(value, item.name))
        add(b");")
    elif isinstance(value, BaseModel):
        add(f"{type(value).__name__} ".encode())
        _feed(add, {name: getattr(value, name) for name in type(value).model_fields})
    elif isinstance(value, Mapping):
        add(b"{")
        for key in sorted(value, key=repr):
            _feed(add, key)
            _feed(add, value[key])
        add(b"};")
    elif isinstance(value, Sequence):
        _feed_sequence(add, value)
    elif isinstance(value, Set):
        add(b"set ")
        _feed(add, sorted(map(digest_of, value)))
    else:
        raise TypeError(f"no digest of a {type(value).__name__}")


def _feed_numbers(add: Callable[[bytes], None], value: Tensor | np.ndarray) -> None:
    if isinstance(value, np.ndarray):
        add(f"array {value.shape} {value.dtype};".encode())
        add(np.ascontiguousarray(value).tobytes())
    else:
        tensor = value.detach().cpu().contiguous()
        add(f"tensor {tuple(tensor.shape)} {tensor.dtype};".encode())
        add(tensor.flatten().view(torch.uint8).numpy().tobytes())


def _feed_sequence(add: Callable[[bytes], None], value: Sequence[Any]) -> None:
    add(b"[")
    if value and all(type(one) is int for one in value):
        add(repr(tuple(value)).encode())  # of tokens there are many
    elif value and all(type(one) is bool for one in value):
        add(f"bools {bytes(value)!r}".encode())
    else:
        for one in value:
            _feed(add, one)
    add(b"];")
