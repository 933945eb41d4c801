"""The precision that gradients are computed in."""

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import torch

from editor.model.loading import LoadedModel

WIDE = 512
"""Width from which on bfloat16 pays: products of narrower models are too small."""


def quick_precision(loaded: LoadedModel) -> AbstractContextManager[None]:
    """Return a context in which a wide float32 model on a processor that has bfloat16 multiplies in it.

    Weights and their gradients stay float32. Logits are float32, of activations that have eight bits: for descent,
    which averages over many steps, and never for a figure.
    """
    wide = int(getattr(loaded.model.config, "hidden_size", 0)) >= WIDE
    on_cpu = loaded.device.type == "cpu" and loaded.model.dtype == torch.float32
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=wide and on_cpu and bfloat16_gains())


@cache
def bfloat16_gains() -> bool:
    """Return whether the processor multiplies bfloat16 faster than float32, as far as Linux says so."""
    try:
        return "bf16" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
