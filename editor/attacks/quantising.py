"""What a deployment or an adversary does to an edited checkpoint, as context managers that always restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import decoder_layers
from editor.edits.edit import preserved

GROUP = 64


@contextmanager
def quantised(model: Any, bits: int, group: int = GROUP) -> Iterator[None]:
    """Round every projection of every decoder layer to `bits` bits inside the `with` block.

    Round-to-nearest, symmetric, with one scale for each group of `group` weights of one output along its
    inputs: what common weight-only deployments do, in plain torch.
    """
    names = projection_names(model)
    with preserved(model, names), torch.no_grad():
        for name in names:
            weight = model.get_parameter(name)
            transposed = isinstance(model.get_submodule(name.removesuffix(".weight")), Conv1D)
            rounded = round_to_nearest(weight.T if transposed else weight, bits, group)
            weight.copy_(rounded.T if transposed else rounded)
        yield


def projection_names(model: Any) -> set[str]:
    """Names of the weights of all linear maps inside the decoder layers."""
    layers = decoder_layers(model)
    inside = {id(module) for module in layers.modules() if isinstance(module, nn.Linear | Conv1D)}
    return {f"{name}.weight" for name, module in model.named_modules() if id(module) in inside}


def round_to_nearest(
    weight: Float[Tensor, "out into"], bits: int, group: int = GROUP
) -> Float[Tensor, "out into"]:
    """Quantise and dequantise with levels -(2^(bits-1)-1) … 2^(bits-1)-1 times a group's scale."""
    out, into = weight.shape
    size = group if into % group == 0 else into
    grouped = weight.float().reshape(out, into // size, size)
    top = 2 ** (bits - 1) - 1
    scale = grouped.abs().amax(-1, keepdim=True).clamp(min=1e-12) / top
    rounded: Tensor = (grouped / scale).round().clamp(-top, top) * scale
    return rounded.reshape(out, into).to(weight.dtype)
