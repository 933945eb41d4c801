"""A checkpoint's weights as its files hold them: their names, their dtypes, their bytes."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editor.model.checks.checkpoint_files import listed_shards
from policies.errors import ModelError

WRAPPERS = frozenset({"model", "language_model", "text_model", "transformer", "decoder", "backbone"})
"""Parts of names that say how a model is wrapped, and not where in it a tensor is."""
BLOCK_SPARSE = {"block_sparse_moe": "mlp", "w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}
"""What files call the parts of a mixture of experts, for some families, and what models call them."""
SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
"""A checkpoint's only file, in the order in which transformers looks for it."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """Where a tensor is stored.

    Attributes:
        file: the file that holds it.
        shape: its shape.
    """

    file: Path
    shape: torch.Size


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """The weights of a checkpoint folder, read one tensor at a time.

    Attributes:
        tensors: each tensor's place by its name in the files, in the files' order.
        index: the file that says which file holds what; None for a checkpoint of one file.
    """

    tensors: Mapping[str, StoredTensor] = field(repr=False)
    index: Path | None

    @classmethod
    def find(cls, folder: Path) -> "StoredWeights | None":
        """Return the weights that transformers loads from a folder; None where it holds no file of them.

        Raises:
            ModelError: a file is missing or damaged.
        """
        for single in SINGLE_FILES:
            index = folder / f"{single}.index.json"
            if (folder / single).is_file():
                return cls(tensors=dict(_tensors(folder / single)), index=None)
            if index.is_file():
                found = {name: place for path in listed_shards(index) for name, place in _tensors(path)}
                return cls(tensors=found, index=index)
        return None

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that hold the tensors, each once."""
        return tuple(dict.fromkeys(place.file for place in self.tensors.values()))

    @property
    def is_safetensors(self) -> bool:
        """Whether all files are safetensors, in which a tensor can be replaced by another of its size."""
        return all(path.suffix == ".safetensors" for path in self.files)

    def read(self, name: str) -> Tensor:
        """Return a tensor as its file holds it, on the CPU. It may be mapped: it changes with the file.

        Raises:
            ModelError: the file is missing or damaged.
        """
        path = self.tensors[name].file
        if path.suffix != ".safetensors":
            return _unpickled(path)[name]
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as opened:
                tensor: Tensor = opened.get_tensor(name)
                return tensor
        except (OSError, SafetensorError) as error:
            raise _damaged(path, error) from None

    def names_in(self, model: nn.Module) -> dict[str, tuple[str, ...]]:
        """Map each parameter and persistent buffer to the names by which the files hold it, or what is tied to it.

        A name of the model's and one of a file's are the same where they differ by `WRAPPERS` alone.
        """
        state: dict[str, Tensor] = model.state_dict(keep_vars=True)
        stored: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in self.tensors:
            stored[_position(name)].append(name)
        found: dict[int, list[str]] = defaultdict(list)  # tied tensors are one object
        for name, tensor in state.items():
            found[id(tensor)] += [
                other for other in stored[_position(name)] if self.tensors[other].shape == tensor.shape
            ]
        return {name: tuple(dict.fromkeys(found[id(tensor)])) for name, tensor in state.items()}

    def copy(self, folder: Path) -> "StoredWeights":
        """Copy the files into a folder, made where it is missing, and return the weights there."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*self.files, *([self.index] if self.index else [])):
            shutil.copyfile(path, folder / path.name)
        there = {name: replace(place, file=folder / place.file.name) for name, place in self.tensors.items()}
        return StoredWeights(tensors=there, index=folder / self.index.name if self.index else None)

    def inside(self, file: Path) -> tuple[str, ...]:
        """Return the names of the tensors that a file holds, in its order."""
        return tuple(name for name, place in self.tensors.items() if place.file == file)

    def write(self, changed: Mapping[str, Tensor]) -> None:
        """Write tensors over those in safetensors files; every other byte, metadata too, stays what it is.

        Args:
            changed: tensors of the stored shape and dtype by their names in the files.
        """
        for path in self.files:
            inside = {name: tensor for name, tensor in changed.items() if self.tensors[name].file == path}
            if inside:
                _write_over(path, inside)


class ReadTensors(Mapping[str, Tensor]):
    """Tensors by name, none of which is held: each is read whenever somebody asks for it.

    Args:
        names: names of the tensors.
        read: what reads one by its name.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Tensor]) -> None:
        self._names, self._read = tuple(names), read

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Return a tensor's bytes in row-major order, as safetensors writes them: its own memory, where that holds them."""
    numbers: Any = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return memoryview(numbers)


def _position(name: str) -> tuple[str, ...]:
    parts = [part for part in name.split(".") if part not in WRAPPERS]
    if "block_sparse_moe" in parts:
        parts = [BLOCK_SPARSE.get(part, part) for part in parts]
    return tuple(parts)


def _tensors(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    if path.suffix == ".safetensors":
        for name, about in _header(path).items():
            yield name, StoredTensor(file=path, shape=torch.Size(about["shape"]))
    else:
        for name, tensor in _unpickled(path).items():
            yield name, StoredTensor(file=path, shape=tensor.shape)


def _header(path: Path) -> dict[str, Any]:
    """Return what a safetensors file says of its tensors by name: dtype, shape and place, in the file's order."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header: dict[str, Any] = json.loads(file.read(min(length, path.stat().st_size)))
        header.pop("__metadata__", None)
        return dict(sorted(header.items(), key=lambda entry: entry[1]["data_offsets"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, error) from None


def _unpickled(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `.bin` file, mapped rather than read where its kind allows that."""
    try:
        try:
            return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
        except RuntimeError:
            return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever unpickling a damaged file raises
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} cannot be read ({type(error).__name__})", "Save the model again")


def _write_over(path: Path, changed: Mapping[str, Tensor]) -> None:
    """Write tensors over those of their names in a safetensors file."""
    header = _header(path)
    with path.open("r+b") as file:
        data = 8 + int.from_bytes(file.read(8), "little")
        for name, tensor in changed.items():
            start, end = header[name]["data_offsets"]
            written = tensor_bytes(tensor)
            assert len(written) == end - start, name  # of the stored shape and dtype
            file.seek(data + start)
            file.write(written)
