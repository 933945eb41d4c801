"""Digests of a model's tensors, as they are stored."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from torch import Tensor, nn

from editor.model.loading import LoadedModel
from editor.model.stored import StoredWeights, tensor_bytes


def tensor_digests(loaded: LoadedModel) -> dict[str, str]:
    """Map each tensor's name in the model to the sha256, in hexadecimal, of its shape, dtype and bytes.

    They are those of the file that holds it. What no file holds as it is, as after merging an adapter, is taken from
    the model, in the dtype in which it would be stored. Tied tensors count once, under their first name.
    """
    files = loaded.files
    digests = {}
    for name, tensor in _once(loaded.model):
        names = loaded.stored_names.get(name)
        digests[name] = tensor_digest(
            files.read(names[0]) if files and names else _rounded(loaded, name, tensor)
        )
    return digests


def file_digests(stored: StoredWeights, names: Iterable[str] | None = None) -> dict[str, str]:
    """Map each tensor's name in the files, or each of `names`, to the same."""
    return {name: tensor_digest(stored.read(name)) for name in (stored.tensors if names is None else names)}


def checkpoint_digests(
    folder: Path, model: nn.Module, instead: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str] | None:
    """Return `tensor_digests` of a checkpoint folder without its weights in memory.

    Args:
        folder: the checkpoint.
        model: a model of its configuration, whose own weights do not matter.
        instead: digests that stand in for those of the files, by their tensors' names in the files.

    Returns:
        None where the files do not hold every tensor of the model.

    Raises:
        ModelError: a file is missing or damaged.
    """
    stored = StoredWeights.find(folder)
    if stored is None:
        return None
    names, digests = stored.names_in(model), {}
    for name, _ in _once(model):
        if not names[name]:
            return None
        first = names[name][0]
        digests[name] = instead[first] if first in instead else tensor_digest(stored.read(first))
    return digests


def model_digest(digests: Mapping[str, str]) -> str:
    """Return one sha256, in hexadecimal, over all names and tensor digests in name order."""
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name} {digests[name]}\n".encode())
    return total.hexdigest()


def _once(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield name, tensor


def _rounded(loaded: LoadedModel, name: str, tensor: Tensor) -> Tensor:
    return tensor.detach().to(loaded.dtype_of(name) if tensor.is_floating_point() else tensor.dtype)


def tensor_digest(tensor: Tensor) -> str:
    """Return the sha256, in hexadecimal, of a tensor's shape, dtype and bytes."""
    digest = hashlib.sha256(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
    digest.update(tensor_bytes(tensor))
    return digest.hexdigest()
