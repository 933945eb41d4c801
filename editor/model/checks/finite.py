"""Weights that are no numbers are refused."""

import torch
from torch import nn

from policies.errors import ModelError


def check_finite(model: nn.Module, source: str) -> None:
    """Refuse weights that are no numbers.

    Raises:
        ModelError: one is NaN or infinite.
    """
    for name, tensor in model.named_parameters():
        if tensor.device.type == "meta" or not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        # A float of one byte says only as another whether it is finite.
        if not bool(torch.isfinite(tensor.float() if tensor.itemsize == 1 else tensor).all()):
            raise ModelError(
                f"The weights of {source} hold NaN or infinite values in {name}", "Use an intact checkpoint"
            )
