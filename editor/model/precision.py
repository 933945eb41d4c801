"""The precision that gradients are computed in."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn

from editor.model.loading import LoadedModel
from editor.model.mapping import is_mapped

WIDE = 512
"""Width from which on bfloat16 pays: products of narrower models are too small."""


def quick_precision(loaded: LoadedModel) -> AbstractContextManager[None]:
    """Return a context in which a wide float32 model on a processor that has bfloat16 multiplies in it.

    Weights and their gradients stay float32. Logits are float32, of activations that have eight bits: for descent,
    which averages over many steps, and never for a figure.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=_is_quicker(loaded))


def multiplied_in(loaded: LoadedModel) -> torch.dtype:
    """Return the type of what enters products under `quick_precision`: the model's own, or bfloat16."""
    own: torch.dtype = loaded.model.dtype
    return torch.bfloat16 if _is_quicker(loaded) else own


@contextmanager
def quick_weights(loaded: LoadedModel, left: Collection[str]) -> Iterator[None]:
    """Hold the weights that do not change in bfloat16 in the `with` block, where `quick_precision` multiplies in it.

    Else each pass converts them anew, and keeps what it converted for its backward pass. On leaving they are the very
    tensors that they were. Nothing but passes under `quick_precision` may run inside.

    Args:
        loaded: the model.
        left: weights that change or are hardly read, by parameter name: they stay as they are.
    """
    if not _is_quicker(loaded):
        yield
        return
    modules = [
        module
        for name, module in loaded.model.named_modules()
        if isinstance(module, nn.Linear) and f"{name}.weight" not in left
    ]
    weights: list[nn.Parameter] = [module.get_parameter("weight") for module in modules]
    try:
        for module in modules:
            module.weight = nn.Parameter(module.weight.detach().to(torch.bfloat16), requires_grad=False)
        yield
    finally:
        for module, weight in zip(modules, weights, strict=True):
            module.register_parameter("weight", weight)


def _is_quicker(loaded: LoadedModel) -> bool:
    wide = int(getattr(loaded.model.config, "hidden_size", 0)) >= WIDE
    on_cpu = loaded.device.type == "cpu" and loaded.model.dtype == torch.float32
    # What is mapped from the disk would be converted in each pass, and held.
    return wide and on_cpu and bfloat16_gains() and not is_mapped(loaded.model)


@cache
def bfloat16_gains() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32, as far as Linux says so."""
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
