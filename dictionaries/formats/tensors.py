"""Tensor files, opened without running code: safetensors, npz, and torch's zip files by `weights_only`.

Tensors come in float32, one at a time. What is read is held once: pieces of a safetensors file are copied and
its pages given back, arrays of the others are handed on as they are.
"""

import pickle
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from policies.errors import DictionaryError

PIECE_BYTES = 2 << 20
READ_DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
    **{"U8": torch.uint8, "BOOL": torch.bool},
}
"""Dtypes that are widened to float32, by the names of safetensors."""
LEAST_SUSPECT = 1 << 26
"""Bytes up to which an archive may unpack, however small it is."""
MOST_UNPACKED = 50
AGAIN = "Copy or download the dictionary again"
NO_PICKLE = "Pickled weights are never opened, they can run code: save the state dict by torch.save, or as safetensors"


class TensorFile(Protocol):
    """An open file of named tensors."""

    path: Path
    names: frozenset[str]

    def fetch(self, name: str) -> Tensor:
        """Return one tensor in float32; each may be asked for once."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


@contextmanager
def open_tensors(path: Path) -> Iterator[TensorFile]:
    """Open a file by its suffix.

    Raises:
        DictionaryError: it is missing, damaged, truncated, or holds more than plain tensors.
    """
    if not path.is_file():
        raise DictionaryError(f"{path} is missing", AGAIN)
    openers: dict[str, Callable[[Path], TensorFile]] = {".safetensors": _Safetensors, ".npz": _Npz}
    try:
        with closing(openers.get(path.suffix, _Torch)(path)) as file:
            yield file
    except (SafetensorError, zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        raise DictionaryError(f"{path} is damaged or truncated ({_reason(error)})", AGAIN) from None


def read(file: TensorFile, name: str) -> Tensor:
    """Read one tensor in float32.

    Raises:
        DictionaryError: there is no such tensor, it holds NaN or infinity, or its dtype is not read.
    """
    if name not in file.names:
        held = ", ".join(sorted(file.names)) or "nothing"
        raise DictionaryError(f"{file.path} lacks {name}, it holds {held}", AGAIN)
    tensor = file.fetch(name)
    # In pieces: the check makes copies of what it looks at.
    if not all(bool(torch.isfinite(piece).all()) for piece in _pieces(tensor)):
        raise DictionaryError(f"{name} in {file.path} holds NaN or infinity", AGAIN)
    return tensor


class _Safetensors:
    def __init__(self, path: Path) -> None:
        self.path = path
        with safe_open(path, framework="pt") as file:
            self.names = frozenset(file.keys())

    def fetch(self, name: str) -> Tensor:
        with safe_open(self.path, framework="pt") as file:
            found = file.get_slice(name)
            shape, dtype = tuple(found.get_shape()), found.get_dtype()
            if dtype not in READ_DTYPES:
                raise _unknown_dtype(name, self.path, dtype)
            if not shape:
                scalar: Tensor = file.get_tensor(name).float()
                return scalar
        result = torch.empty(shape)
        for rows in _rows(shape):
            # Opening again for each piece lets go of the mapped pages of the one before.
            with safe_open(self.path, framework="pt") as file:
                result[rows] = file.get_slice(name)[rows]
        return result

    def close(self) -> None:
        """Do nothing: no file is held open."""


class _Npz:
    def __init__(self, path: Path) -> None:
        self.path = path
        with ExitStack() as stack:
            archive: Any = np.load(stack.enter_context(path.open("rb")), allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DictionaryError(f"{path} is no npz archive", AGAIN)
            self._archive = stack.enter_context(archive)
            if archive.zip is not None:
                _check_unpacked(archive.zip, path)
            self._open = stack.pop_all()
        self.names = frozenset(self._archive.files)

    def fetch(self, name: str) -> Tensor:
        try:
            array = self._archive[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise DictionaryError(f"{name} in {self.path} is a pickled object", NO_PICKLE) from None
        if not isinstance(array, np.ndarray):
            raise DictionaryError(f"{name} in {self.path} is damaged, it is no array", AGAIN)
        if array.dtype.kind not in "fiub":
            raise _unknown_dtype(name, self.path, array.dtype)
        return torch.from_numpy(array).float()

    def close(self) -> None:
        self._open.close()


class _Torch:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors = _load_torch(path)
        self.names = frozenset(self._tensors)

    def fetch(self, name: str) -> Tensor:
        tensor = self._tensors.pop(name)
        if tensor.dtype not in READ_DTYPES.values():
            raise _unknown_dtype(name, self.path, tensor.dtype)
        return tensor.float()

    def close(self) -> None:
        self._tensors.clear()


def _check_unpacked(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive that unpacks to many times its size, as no weights do."""
    size = sum(member.file_size for member in archive.infolist())
    if size > max(LEAST_SUSPECT, MOST_UNPACKED * path.stat().st_size):
        raise DictionaryError(f"{path} would unpack to {size:,} bytes", AGAIN)


def refuse_pickle(path: Path) -> None:
    """Check that a file of torch is a zip archive, whose pickle `weights_only` restricts to tensors.

    Raises:
        DictionaryError: it is not, or is not there.
    """
    if not path.is_file():
        raise DictionaryError(f"{path} is missing", AGAIN)
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            begins = file.read(2)
        if begins in {b"PK", b"P", b""}:
            raise DictionaryError(f"{path} is damaged or truncated (the archive has no end)", AGAIN)
        raise DictionaryError(f"{path} is a plain pickle", NO_PICKLE)


def _load_torch(path: Path) -> dict[str, Tensor]:
    refuse_pickle(path)
    try:
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise DictionaryError(f"{path} pickles Python objects beside tensors", NO_PICKLE) from None
    except RuntimeError as error:
        raise DictionaryError(f"{path} is damaged or truncated ({_reason(error)})", AGAIN) from None
    if not isinstance(loaded, dict) or not all(isinstance(one, Tensor) for one in loaded.values()):
        raise DictionaryError(f"{path} is no state dict of tensors", "Save the module's state_dict()")
    for name, tensor in loaded.items():
        # A tensor of strides 0 stands in a few bytes for as many numbers as it likes.
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise DictionaryError(f"{name} in {path} has more numbers than the file holds", AGAIN)
    return {str(name): tensor.detach() for name, tensor in loaded.items()}


def _rows(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices of the first dimension, of at most `PIECE_BYTES` in float32 each."""
    width = 4
    for size in shape[1:]:
        width *= size
    step = max(1, PIECE_BYTES // max(1, width))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    if not tensor.dim():
        yield tensor
        return
    for rows in _rows(tuple(tensor.shape)):
        yield tensor[rows]


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _unknown_dtype(name: str, path: Path, dtype: object) -> DictionaryError:
    return DictionaryError(f"{name} in {path} has dtype {dtype}", "Store it as float32, bfloat16 or float16")
