"""The Gated loss and its gradient, written out by hand: dense, or at the active entries alone.

    π = (x - b_dec) W_enc + b_gate,  f = 1[π > 0] · relu(ρ (π - b_gate) + b_mag),  ρ = exp(r_mag)
    ‖x - (f W_dec + b_dec)‖² + λ Σ relu(π) + ‖x - (relu(π) sg(W_dec) + sg(b_dec))‖², means over tokens

Six of a step's seven products have a factor that is zero wherever π ≤ 0: both decodes, the gradients of f,
relu(π) and W_dec, and that of W_enc. Once few gates are open they are done there alone.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dictionaries.architectures.active import (
    Active,
    decode,
    decode_transposed,
    feature_sums,
    find_active,
    inner_products,
    where_positive,
)


class GatedWeights(Protocol):
    """The parameters of a Gated autoencoder, which the loss reads; `b_enc` is b_gate."""

    W_enc: nn.Parameter
    W_dec: nn.Parameter
    b_enc: nn.Parameter
    b_dec: nn.Parameter
    b_mag: nn.Parameter
    r_mag: nn.Parameter


class GatedLoss(NamedTuple):
    """The loss of a batch.

    Attributes:
        terms: reconstruction, sparsity (unweighted) and auxiliary.
        gradients: gradients of the total, by parameter name.
        codes: (tokens, F) features f; a sparse tensor where few gates are open.
    """

    terms: dict[str, Float[Tensor, ""]]
    gradients: dict[str, Tensor]
    codes: Float[Tensor, "tokens F"]


class _Batch(NamedTuple):
    """One batch before any decode: x, x - b_dec, π, ρ, and the offset b_mag - ρ b_gate between ρπ and f."""

    x: Float[Tensor, "tokens d"]
    centred: Float[Tensor, "tokens d"]
    pre: Float[Tensor, "tokens F"]
    ratio: Float[Tensor, "F"]
    offset: Float[Tensor, "F"]


class _Parts(NamedTuple):
    """What both ways compute: the losses, and the gradients with respect to what their names say."""

    reconstruction: Tensor
    auxiliary: Tensor
    penalty: Tensor
    codes: Tensor
    of_decoder: Float[Tensor, "F d"]
    of_decoded: Float[Tensor, "tokens d"]
    of_encoder: Float[Tensor, "F d"]
    of_pre: Float[Tensor, "F"]
    of_magnitude: Float[Tensor, "F"]
    of_ratio: Float[Tensor, "F"]


@torch.no_grad()
def gated_loss(sae: GatedWeights, x: Float[Tensor, "tokens d"], sparsity: float) -> GatedLoss:
    """Compute the loss and its gradients on scaled activations, by whichever way is quicker.

    Args:
        sae: the autoencoder's parameters.
        x: (tokens, d) batch of scaled activations.
        sparsity: λ, the weight of Σ relu(π).
    """
    centred = x - sae.b_dec
    pre = nn.functional.linear(centred, sae.W_enc.T, sae.b_enc)  # π = (x - b_dec) W_enc + b_gate
    ratio = sae.r_mag.exp()  # ρ = exp(r_mag)
    batch = _Batch(x, centred, pre, ratio, sae.b_mag - ratio * sae.b_enc)
    active = find_active(pre)
    parts = _dense(sae, batch, sparsity) if active is None else _sparse(sae, batch, active, sparsity)
    # The magnitude is ρπ + b_mag - ρ b_gate.
    through_ratio = parts.of_ratio - sae.b_enc * parts.of_magnitude  # ∂/∂ρ = Σ (π - b_gate) ∂/∂magnitude
    gradients = {
        "W_enc": parts.of_encoder.T,
        "W_dec": parts.of_decoder,
        "b_enc": parts.of_pre - ratio * parts.of_magnitude,
        "b_dec": parts.of_decoded.sum(dim=0) - sae.W_enc @ parts.of_pre,
        "b_mag": parts.of_magnitude,
        "r_mag": ratio * through_ratio,
    }
    terms = {
        "reconstruction": parts.reconstruction,
        "sparsity": parts.penalty,
        "auxiliary": parts.auxiliary,
    }
    return GatedLoss(terms, gradients, parts.codes)


def known_gradient(
    value: Tensor, parameters: Mapping[str, Tensor], gradients: Mapping[str, Tensor]
) -> Tensor:
    """Return `value` with the given gradients, for `backward()`; parameters without one get none."""
    names = list(gradients)
    given = [gradients[name] for name in names]
    total: Tensor = _Known.apply(value, given, *(parameters[name] for name in names))  # type: ignore[no-untyped-call]
    return total


def _dense(sae: GatedWeights, batch: _Batch, sparsity: float) -> _Parts:
    x, count = batch.x, len(batch.x)
    gate = batch.pre.relu()  # relu(π)
    codes = where_positive(gate, torch.addcmul(batch.offset, batch.pre, batch.ratio).relu_())  # f
    error = codes @ sae.W_dec + sae.b_dec - x  # x̂ - x
    auxiliary_error = gate @ sae.W_dec + sae.b_dec - x  # relu(π) sg(W_dec) + sg(b_dec) - x
    of_decoded = error * (2.0 / count)
    of_magnitude = where_positive(codes, of_decoded @ sae.W_dec.T)
    of_gate = (auxiliary_error * (2.0 / count)) @ sae.W_dec.T
    of_pre = where_positive(gate, of_gate.add_(sparsity / count)).to(batch.ratio.dtype)  # ∂/∂π, by relu(π)
    of_pre.addcmul_(of_magnitude, batch.ratio)  # and by f: ∂magnitude/∂π = ρ
    return _Parts(
        reconstruction=squared_error(error),
        auxiliary=squared_error(auxiliary_error),
        penalty=gate.sum() / count,
        codes=codes,
        of_decoder=codes.T @ of_decoded,
        of_decoded=of_decoded,
        of_encoder=of_pre.T @ batch.centred,
        of_pre=of_pre.sum(dim=0),
        of_magnitude=of_magnitude.sum(dim=0),
        of_ratio=(of_magnitude * batch.pre).sum(dim=0),
    )


def _sparse(sae: GatedWeights, batch: _Batch, active: Active, sparsity: float) -> _Parts:
    x, count = batch.x, len(batch.x)
    gate = batch.pre.view(-1).index_select(0, active.places).to(x.dtype)  # relu(π) = π where π > 0
    ratio = batch.ratio.index_select(0, active.features)  # ρ
    codes = (gate * ratio).add_(batch.offset.index_select(0, active.features)).relu_()  # f
    error = decode(active, codes, sae.W_dec) + sae.b_dec - x  # x̂ - x
    auxiliary_error = decode(active, gate, sae.W_dec) + sae.b_dec - x  # relu(π) sg(W_dec) + sg(b_dec) - x
    of_decoded = error * (2.0 / count)
    of_magnitude = where_positive(codes, inner_products(active, of_decoded, sae.W_dec))
    of_pre = inner_products(active, auxiliary_error * (2.0 / count), sae.W_dec)
    of_pre.add_(sparsity / count).addcmul_(of_magnitude, ratio)
    places = torch.stack((active.tokens, active.features))
    return _Parts(
        reconstruction=squared_error(error),
        auxiliary=squared_error(auxiliary_error),
        penalty=gate.sum() / count,
        codes=torch.sparse_coo_tensor(
            places, codes, batch.pre.shape, is_coalesced=True, check_invariants=False
        ),
        of_decoder=decode_transposed(active, codes, of_decoded),
        of_decoded=of_decoded,
        of_encoder=decode_transposed(active, of_pre, batch.centred),
        of_pre=feature_sums(active, of_pre),
        of_magnitude=feature_sums(active, of_magnitude),
        of_ratio=feature_sums(active, of_magnitude * gate),
    )


def squared_error(error: Float[Tensor, "tokens d"]) -> Float[Tensor, ""]:
    """Return ‖error‖², mean over tokens."""
    return error.square().sum() / len(error)


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = [one.to(two.dtype) for one, two in zip(gradients, parameters, strict=True)]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        # Handed over rather than kept: then they become the parameters' `grad` without a copy.
        known, ctx.gradients = ctx.gradients, None
        (scale,) = gradients
        if float(scale) != 1.0:  # 1 is what `backward()` starts with
            known = torch._foreach_mul(known, scale)
        return None, None, *known
