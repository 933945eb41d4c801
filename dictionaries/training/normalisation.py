"""Norms that some published dictionaries put on each token before encoding, and take off after decoding.

Such a norm depends on the token, so it cannot be folded into weights. It is shift and spread of the token:

    constant_norm   shift 0,          spread ‖x‖ / √d,                      x̃ = x / spread
    layer_norm      shift mean(x),    spread std(x) (d - 1 below the root), x̃ = (x - shift) / (spread + 1e-5)

as SAELens defines them (`constant_norm_rescale`, `layer_norm`). Codes are multiplied by the spread, so that a
feature writes f_j·directions[j] in raw units whatever the token.
"""

from typing import Literal, NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor

InputNorm = Literal["none", "constant_norm", "layer_norm"]
INPUT_NORMS: tuple[str, ...] = get_args(InputNorm)
EPSILON = 1e-5


class Normalised(NamedTuple):
    """Tokens after the norm, and what it took off.

    Attributes:
        x: (…, d) x̃, the normalised tokens.
        shift: (…, 1) value added to every coordinate after decoding.
        spread: (…, 1) factor of codes and of what is decoded.
    """

    x: Float[Tensor, "*tokens d"]
    shift: Float[Tensor, "*tokens 1"]
    spread: Float[Tensor, "*tokens 1"]


def normalised(x: Float[Tensor, "*tokens d"], norm: InputNorm) -> Normalised:
    """Take a norm off each token (…, d), as SAELens defines it; see the module."""
    if norm == "constant_norm":
        spread = torch.linalg.vector_norm(x, dim=-1, keepdim=True) / x.shape[-1] ** 0.5  # ‖x‖ / √d
        return Normalised(x / spread.clamp_min(torch.finfo(x.dtype).tiny), torch.zeros_like(spread), spread)
    if norm == "layer_norm":
        shift = x.mean(dim=-1, keepdim=True)  # mean(x)
        spread = x.std(dim=-1, keepdim=True)  # std(x), d - 1 below the root
        return Normalised((x - shift) / (spread + EPSILON), shift, spread)  # x̃
    ones = x.new_ones(*x.shape[:-1], 1)
    return Normalised(x, torch.zeros_like(ones), ones)
