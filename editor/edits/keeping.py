"""How an edit's tensors are kept beside the checkpoint: in the clear, sealed, or not at all."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from editor.artefacts.output import SEALED_SUFFIX
from editor.edits.sealed import Lock, SealedReader, SealedWriter, damaged
from editor.model.stored import tensor_bytes
from policies.errors import EditError

Kept = Literal["kept", "encrypted", "none"]
MOST_HEADER_BYTES = 100_000_000
OWNER_ALONE = 0o600
"""Mode of files that lead back to the facts."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Dtypes as safetensors names them."""
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How the originals and the change of weights are kept; either gives the other's facts back.

    Attributes:
        wanted: whether they are kept at all.
        lock: what they are sealed with; None leaves them in the clear.
    """

    wanted: bool = True
    lock: Lock | None = None

    @property
    def kept(self) -> Kept:
        """How they are kept, in a word."""
        return "none" if not self.wanted else "encrypted" if self.lock else "kept"

    @property
    def in_the_clear(self) -> bool:
        """Whether whoever holds the folder alone can bring the facts back."""
        return self.kept == "kept"

    def write(
        self, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write tensors as safetensors to a path, sealed to the path with `.enc`, or nowhere.

        What is sealed is on no disk in the clear. Tensors are asked for one after another, and none is held.
        """
        if self.in_the_clear:
            with path.open("wb") as file:
                path.chmod(OWNER_ALONE)
                _write(file.write, tensors, metadata or {})
        elif self.lock is not None and self.wanted:
            with SealedWriter(_sealed(path), self.lock, path.name) as stream:
                _write(stream.write, tensors, metadata or {})


def read_tensors(path: Path, lock: Lock | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata that `Keeping.write` wrote to a path, in the clear or sealed.

    Raises:
        EditError: they are missing or damaged, or sealed and `lock` is None or another.
    """
    if not path.is_file() and _sealed(path).is_file():
        if lock is None:
            raise EditError(
                f"{_sealed(path)} is encrypted", "Give its key (--key) or passphrase (--passphrase-file)"
            )
        with SealedReader(_sealed(path), lock, path.name) as stream:
            try:
                return _read(stream)
            except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
                raise damaged(_sealed(path)) from None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (OSError, SafetensorError):
        raise damaged(path) from None


def _sealed(path: Path) -> Path:
    return path.with_name(path.name + SEALED_SUFFIX)


def _write(
    write: Callable[[bytes | memoryview], object], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a safetensors file: wide numbers first, so that every tensor lies where its numbers may."""
    about = {name: _about(tensors[name]) for name in tensors}
    names = sorted(about, key=lambda name: (-about[name][0].itemsize, name))
    write(_header({name: about[name] for name in names}, metadata))
    for name in names:
        write(tensor_bytes(tensors[name]))


def _about(tensor: Tensor) -> tuple[torch.dtype, list[int]]:
    return tensor.dtype, list(tensor.shape)


def _header(about: Mapping[str, tuple[torch.dtype, list[int]]], metadata: Mapping[str, str]) -> bytes:
    """Return what stands before the tensors in a safetensors file, given their dtypes and shapes in its order."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    start = 0
    for name, (dtype, shape) in about.items():
        end = start + math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": DTYPE_NAMES[dtype], "shape": shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read(stream: SealedReader) -> tuple[dict[str, Tensor], dict[str, str]]:
    length = int.from_bytes(stream.read(8), "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError
    header = json.loads(stream.read(length))
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, about in header.items():
        dtype, shape = DTYPES[about["dtype"]], [int(size) for size in about["shape"]]
        data = stream.read(math.prod(shape) * dtype.itemsize)
        flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        tensors[name] = flat.view(shape)
    stream.finish()
    return tensors, metadata
