"""Binary autoencoder, BAE (Cho et al. 2025, arXiv 2509.20997)."""

import math
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.config import DictionaryConfig, GradientEstimator, TrainingConfig
from dictionaries.dictionary import Dictionary, Losses

SALIENCE_FLOOR = 1e-6
COVARIANCE_BLOCK = 2048  # columns: 2,048 x 16,384 in float32 are 128 MiB


class BinaryAutoencoder(Dictionary):
    """An autoencoder whose features are bits: h = Γ(x W_enc + b_enc), x̂ = h W_dec + b_dec, Γ(a) = 1[a > 0].

    It is trained on standardised activations, afterwards folded into the weights: `input_scale` is then 1.
    `running_mean` (F) is p, each bit's mean. A bit that is off although p > 0.5 says as much as one that is
    on although p is small: bit j contributes (h_j - p_j) W_dec[j].
    """

    architecture = "binary"
    subtract_decoder_bias = False
    centred = True
    defaults: ClassVar[TrainingConfig] = TrainingConfig(
        features=768,
        steps=1500,
        batch_size=512,
        learning_rate=5e-3,
        learning_rate_decay_share=0.5,
        beta1=0.9,
        sparsity=5e-4,
        sparsity_warmup_steps=300,
        sparsity_ramp="step",
        covariance_weight=1e-7,
    )

    running_mean: Tensor

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.register_buffer("running_mean", torch.zeros(config.features))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the bits h of scaled activations; their gradient is the sigmoid's."""
        return self._bits(x, "sigmoid")

    @property
    def baseline(self) -> Float[Tensor, "F"]:
        """p, each bit's mean over the training activations."""
        return self.running_mean

    def salience(self, codes: Float[Tensor, "*tokens F"]) -> Float[Tensor, "*tokens F"]:
        """Return log₂(|h - p| + 1e-6): how much a bit's value departs from its mean."""
        return torch.log2((codes - self.running_mean).abs() + SALIENCE_FLOOR)

    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Draw both layers uniformly in ±1/√(inputs); b_dec is the mean (0 for centred activations)."""
        with torch.no_grad():
            for weight in (self.W_enc, self.W_dec):
                bound = 1.0 / math.sqrt(weight.shape[0])
                weight.copy_(torch.rand(weight.shape, generator=generator).mul_(2 * bound).sub_(bound))
            self.b_dec.copy_(mean)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:
        """Return MSE + α_e H + α_c C, where MSE is the mean over tokens and coordinates (1 for x̂ = 0).

        H is the sum of the bits' entropies in the batch and C that of their absolute covariances.
        """
        codes = self._bits(x, config.estimator)  # h
        decoded = codes @ self.W_dec + self.b_dec  # x̂ = h W_dec + b_dec
        reconstruction = (x - decoded).square().mean()  # MSE
        entropy = bit_entropy(codes)  # H
        total = reconstruction + sparsity * entropy  # MSE + α_e H
        terms = {"reconstruction": reconstruction.detach(), "entropy_bits": entropy.detach()}
        if config.covariance_weight > 0:
            covariance = covariance_sum(codes)  # C
            total = total + config.covariance_weight * covariance  # MSE + α_e H + α_c C
            terms["covariance"] = covariance.detach()
        return Losses(total, terms, codes.detach())

    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """Let silent bits fire on random tokens of the batch: encoder column x, threshold at half of ‖x‖²."""
        chosen = torch.randint(len(x), (int(dead.sum()),), generator=generator).to(x.device)
        with torch.no_grad():
            square = x[chosen].square().sum(dim=1)
            self.W_enc[:, dead] = x[chosen].T / square.sqrt()
            self.b_enc[dead] = -0.5 * square.sqrt()

    def adopt(self, shift: Float[Tensor, "d"], scale: float) -> None:
        """Fold s·(x - μ) into the weights: W_enc·s, b_enc - s·μ W_enc, W_dec/s, b_dec/s + μ."""
        with torch.no_grad():
            self.b_enc.sub_(scale * (shift @ self.W_enc))
            self.W_enc.mul_(scale)
            self.W_dec.div_(scale)
            self.b_dec.div_(scale).add_(shift)

    def calibrate(self, frequencies: Float[Tensor, "F"]) -> None:
        """Keep the bits' means as p."""
        self.running_mean.copy_(frequencies)

    def _bits(self, x: Tensor, estimator: GradientEstimator) -> Tensor:
        return step(nn.functional.linear(x, self.W_enc.T, self.b_enc), estimator)  # h = Γ(x W_enc + b_enc)


def step(x: Float[Tensor, "*shape"], estimator: GradientEstimator) -> Float[Tensor, "*shape"]:
    """Return Γ(x): 1 where x > 0, 0 elsewhere (0 at 0 itself).

    The gradient is g·σ(x)(1 - σ(x)) for `sigmoid` and g for `straight_through`.
    """
    bits: Tensor = _Step.apply(x, estimator)  # type: ignore[no-untyped-call]
    return bits


def bit_entropy(codes: Float[Tensor, "tokens F"]) -> Float[Tensor, ""]:
    """Return H = -Σ_j [p_j log₂ p_j + (1 - p_j) log₂(1 - p_j)], p the batch mean of each bit.

    In bits; an upper bound on the joint entropy, reached where the bits are independent.
    """
    # xlogy's gradient is infinite at 0, where a bit that never fires stands.
    mean = codes.float().mean(dim=0).clamp(1e-6, 1 - 1e-6)  # p
    return -(torch.xlogy(mean, mean) + torch.xlogy(1 - mean, 1 - mean)).sum() / math.log(2)


def covariance_sum(codes: Float[Tensor, "tokens F"], block: int = COVARIANCE_BLOCK) -> Float[Tensor, ""]:
    """Return C = Σ_{i≠j} |Cov(h)_ij| over the batch, with 1/n.

    The F x F matrix is never held: `block` rows at a time, forward and backward in the same sweep.
    """
    total: Tensor = _CovarianceSum.apply(codes, block)  # type: ignore[no-untyped-call]
    return total


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, estimator: GradientEstimator) -> Tensor:
        ctx.estimator = estimator
        if estimator == "sigmoid":
            ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        if ctx.estimator == "straight_through":
            return gradient, None
        (x,) = ctx.saved_tensors
        return torch.ops.aten.sigmoid_backward(gradient, x.sigmoid()), None


class _CovarianceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, codes: Tensor, block: int) -> Tensor:
        given, (tokens, features) = codes.dtype, codes.shape
        codes = codes.float()
        centred = codes - codes.mean(dim=0)
        total = codes.new_zeros(())
        gradient = torch.empty_like(centred)
        for start in range(0, features, block):
            stop = min(start + block, features)
            with torch.autocast(codes.device.type, enabled=False):
                covariance = centred[:, start:stop].T @ centred / tokens  # Cov(h), rows start to stop
                covariance.diagonal(offset=start).zero_()
                total += covariance.abs().sum()
                # d|C|/d centred[:, i] = (2/n) Σ_j sign(C_ij) centred[:, j]; the columns of `centred` sum to 0,
                # so the gradient's do too and it passes through the centring unchanged.
                gradient[:, start:stop] = centred @ covariance.sign_().T
        ctx.save_for_backward(gradient.mul_(2.0 / tokens))
        ctx.dtype = given
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * gradients[0]).to(ctx.dtype), None
