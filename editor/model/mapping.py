"""Weights that are mapped from their files: tensors on the processor that lie on the disk until they are read.

What is read of them is the system's to keep or to drop, as its file has it. What is written to one is a copy of the
pages that are written, in memory: no file changes. So whatever works on a model on a processor, gradients and edits
among it, works on one that is larger than memory; what changes all weights holds them all.
"""

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor, nn

from editor.model.placement import parse_max_memory, remove_with
from editor.model.stored import StoredWeights
from policies.errors import ModelError

_MAPPED = "weights_are_mapped"
"""Attribute of a model some of whose weights are mapped."""


def is_mapped(model: Any) -> bool:
    """Return whether some of a model's weights are mapped from files."""
    return bool(getattr(model, _MAPPED, False))


def wants_mapping(max_memory: str | None) -> bool:
    """Return whether memory was limited for the processor alone, which what does not fit is mapped for.

    Raises:
        ModelError: the memory cannot be read.
    """
    return max_memory is not None and set(parse_max_memory(max_memory)) == {"cpu"}


def map_weights(model: Any, folder: Path, source: str) -> None:
    """Put what accelerate left on the disk into a model, mapped from the files that hold it.

    What is stored in another dtype than it is computed in, or in another form, is converted into files of their own
    first, one tensor at a time; they are gone with the model.

    Args:
        model: the model; one that is whole in memory stays as it is.
        folder: folder of its checkpoint.
        source: its name, for what is refused.

    Raises:
        ModelError: a weight is nowhere.
    """
    if not _away(model):
        return
    from accelerate.hooks import remove_hook_from_module

    model.tie_weights()
    stored = StoredWeights.find(folder)
    names = stored.names_in(model) if stored is not None and stored.is_safetensors else {}
    scratch = mkdtemp(prefix="expunge-weights-")
    remove_with(model, scratch)
    found: dict[str, Tensor] = {}
    for number, name in enumerate(_away(model)):
        dtype, path = model.get_parameter(name).dtype, Path(scratch, str(number))
        if stored is not None and names.get(name):
            found[name] = _mapped(stored.read(names[name][0]), dtype, path)
        else:  # a file holds it in another form, or under a name that the family had before
            found[name] = _mapped(_offloaded(model, name, source), dtype, path, copied=True)
    remove_hook_from_module(model, recurse=True)
    for name, tensor in found.items():
        owner, _, own = name.rpartition(".")
        model.get_submodule(owner).register_parameter(own, nn.Parameter(tensor, requires_grad=False))
    model.tie_weights()
    if hasattr(model, "hf_device_map"):
        del model.hf_device_map
    setattr(model, _MAPPED, True)


def _away(model: Any) -> list[str]:
    """Return the names of the parameters that are not in memory, each once."""
    return [name for name, weight in model.named_parameters() if weight.device.type == "meta"]


def _offloaded(model: Any, name: str, source: str) -> Tensor:
    """Return a weight as accelerate reads it.

    Raises:
        ModelError: accelerate has it nowhere.
    """
    owner, _, own = name.rpartition(".")
    hook = getattr(model.get_submodule(owner), "_hf_hook", None)
    for one in getattr(hook, "hooks", (hook,)):
        weights = getattr(one, "weights_map", None)
        if weights is not None:
            tensor: Tensor = weights[own]
            return tensor
    raise ModelError(
        f"{name} of {source} does not fit into memory, and cannot be read from the disk where it is edited",
        "Save the model with `save_pretrained` and name that folder, or leave out --max-memory",
    )


def _mapped(tensor: Tensor, dtype: torch.dtype, path: Path, *, copied: bool = False) -> Tensor:
    """Return a tensor in a dtype: itself, or what it becomes, or a copy of it, mapped from a new file."""
    if (tensor.dtype == dtype and not copied) or not tensor.numel():
        return tensor.to(dtype)
    made = torch.from_file(str(path), shared=True, size=tensor.numel(), dtype=dtype).view(tensor.shape)
    return made.copy_(tensor)
