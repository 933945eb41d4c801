"""Gated sparse autoencoder (Rajamanoharan et al. 2024, arXiv 2404.16014)."""

from typing import Any, ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Dictionary, Losses, remove_radial_gradient, revive_rows, unit_rows


class JumpReLU(NamedTuple):
    """The same function in inference form: z = x_c W_enc + b_enc, f = z·1[z > threshold].

    Attributes:
        W_enc: (d, F).
        b_enc: (F).
        threshold: θ, (F), not negative.
    """

    W_enc: Float[Tensor, "d F"]
    b_enc: Float[Tensor, "F"]
    threshold: Float[Tensor, "F"]


class GatedSAE(Dictionary):
    """Which features fire and how strongly are decided apart, so that the penalty does not shrink strengths.

    With x_c = x - b_dec:
        π = x_c W_enc + b_enc,  gate = 1[π > 0]                     (b_enc is the paper's b_gate)
        f = gate · relu(x_c (W_enc · exp(r_mag)) + b_mag),  x̂ = f W_dec + b_dec
    The rows of `W_dec` have norm 1.
    """

    architecture = "gated"
    subtract_decoder_bias = True
    centred = False
    defaults: ClassVar[TrainingConfig] = TrainingConfig()

    b_mag: nn.Parameter
    r_mag: nn.Parameter

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.b_mag = nn.Parameter(torch.zeros(config.features))
        self.r_mag = nn.Parameter(torch.zeros(config.features))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Features f of scaled activations."""
        pre = self._gate(x)
        ratio, offset = self._magnitude()
        return where_positive(pre, torch.addcmul(offset, pre, ratio).relu())

    def as_jumprelu(self) -> JumpReLU:
        """W' = W_enc·exp(r_mag), b' = b_mag, θ = max(0, b_mag - exp(r_mag)·b_gate), on scaled activations."""
        ratio = self.r_mag.exp()
        return JumpReLU(self.W_enc * ratio, self.b_mag, (self.b_mag - ratio * self.b_enc).clamp_min(0.0))

    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Random unit decoder rows, the encoder their transpose, b_dec the mean."""
        initialise_tied(self, generator, mean)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """‖x - x̂‖² + λ Σ relu(π) + ‖x - (relu(π) sg(W_dec) + sg(b_dec))‖², means over tokens.

        The auxiliary decode trains the gate alone: both decoder tensors are detached in it.
        """
        codes, gate = _codes_and_gate(self._gate(x), *self._magnitude())
        reconstruction = mean_square(x, codes @ self.W_dec, self.b_dec)
        auxiliary = self.auxiliary_loss(x, gate)
        penalty = gate.sum() / len(x)
        total = reconstruction + sparsity * penalty + auxiliary
        terms = {"reconstruction": reconstruction, "sparsity": penalty, "auxiliary": auxiliary}
        return Losses(total, {name: term.detach() for name, term in terms.items()}, codes.detach())

    def auxiliary_loss(self, x: Float[Tensor, "tokens d"], gate: Float[Tensor, "tokens F"]) -> Tensor:
        """‖x - (relu(π) sg(W_dec) + sg(b_dec))‖², mean over tokens; `gate` is relu(π)."""
        return mean_square(x, gate @ self.W_dec.detach(), self.b_dec.detach())

    def before_step(self) -> None:
        """Keep the step of each decoder row tangent to the unit sphere."""
        remove_radial_gradient(self.W_dec)

    def after_step(self) -> None:
        """Bring decoder rows back to norm 1 exactly."""
        unit_rows(self.W_dec)

    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """See `revive_rows`."""
        revive_rows(self, dead, x, generator)

    def _gate(self, x: Tensor) -> Tensor:
        """π. b_dec enters through b_dec W_enc, so that its gradient needs no product over all tokens."""
        return nn.functional.linear(x, self.W_enc.T, self.b_enc - self.b_dec @ self.W_enc)

    def _magnitude(self) -> tuple[Tensor, Tensor]:
        """(exp(r), b_mag - exp(r)·b_gate): the magnitude before its relu is exp(r)·π plus the latter."""
        ratio = self.r_mag.exp()
        return ratio, self.b_mag - ratio * self.b_enc


def where_positive(mask: Float[Tensor, "*shape"], values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """`values` where `mask` > 0, and 0 elsewhere, by the one vectorised kernel for it.

    On a CPU a product with a boolean, `where` and `masked_fill` take 3 to 10 times as long. Differentiable in
    `values`.
    """
    masked: Tensor = torch.ops.aten.threshold_backward(values, mask.to(values.dtype), 0.0)
    return masked


def _codes_and_gate(pre: Tensor, ratio: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """(f, relu(π)) for training, with a gradient in half the passes over (tokens, F) that autograd takes."""
    codes, gate = _CodesAndGate.apply(pre, ratio, offset)  # type: ignore[no-untyped-call]
    return codes, gate


class _CodesAndGate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, pre: Tensor, ratio: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        gate = pre.relu()
        codes = where_positive(gate, torch.addcmul(offset, pre, ratio).relu_())
        ctx.save_for_backward(gate, ratio, codes)
        return codes, gate

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        gate, ratio, codes = ctx.saved_tensors
        of_codes, of_gate = gradients
        # Where a code is on, its gate is, and there relu(π) = π.
        of_magnitude = where_positive(codes, of_codes)
        of_pre = where_positive(gate, of_gate).to(of_magnitude.dtype).addcmul_(of_magnitude, ratio)
        of_ratio = (of_magnitude * gate).sum(dim=0)
        return of_pre.to(gate.dtype), of_ratio, of_magnitude.sum(dim=0)


def initialise_tied(dictionary: Dictionary, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
    """Random unit decoder rows, the encoder their transpose, `b_dec` the mean of scaled activations."""
    with torch.no_grad():
        rows = torch.randn(dictionary.W_dec.shape, generator=generator)
        dictionary.W_dec.copy_(rows)
        unit_rows(dictionary.W_dec)
        dictionary.W_enc.copy_(dictionary.W_dec.T)
        dictionary.b_dec.copy_(mean)


def mean_square(x: Tensor, decoded: Tensor, bias: Tensor) -> Float[Tensor, ""]:
    """‖x - (decoded + bias)‖², mean over tokens."""
    error = x - decoded - bias
    return error.square().sum() / len(x)
