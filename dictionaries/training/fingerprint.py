"""What identifies a set of activations: the model's weights, the tokens read, and the sites."""

import hashlib
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from dictionaries.model.sites import Site
from dictionaries.model.tokens import TokenBatch


def activations_key(model: nn.Module, batches: Iterable[TokenBatch], sites: Sequence[Site]) -> str:
    """Return a SHA-256 (hexadecimal) that changes whenever activations could.

    It depends on weights, dtype, tokens, context, batches and sites.

    Args:
        model: the model, hashed whole, names and bytes.
        batches: token batches, iterated once; ids, padding and which tokens count are hashed.
        sites: the sites, in the order of their rows.
    """
    total = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        total.update(f"{name} ".encode())
        _add(total, tensor)
    for batch in batches:
        for tensor in (batch.tokens, batch.attention, batch.counted):
            _add(total, tensor)
    total.update(" ".join(map(str, sites)).encode())
    return total.hexdigest()


def _add(total: "hashlib._Hash", tensor: Tensor) -> None:
    stored = tensor.detach().cpu().contiguous()
    total.update(f"{tuple(stored.shape)} {stored.dtype} ".encode())
    total.update(stored.reshape(-1).view(torch.uint8).numpy().data)
