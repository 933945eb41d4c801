"""JumpReLU sparse autoencoder (Rajamanoharan et al. 2024, arXiv 2407.14435)."""

from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.architectures.unit_decoder import UnitDecoder
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Losses

INITIAL_THRESHOLD = 0.1


class JumpReluSAE(UnitDecoder):
    """An autoencoder with one threshold θ ≥ 0 per feature: f = z·1[z > θ], z = relu(x W_enc + b_enc).

    x̂ = f W_dec + b_dec. θ decides what fires without shrinking what does (the paper's equations 3 and 4). The
    paper learns ln θ; here it is θ itself, held at 0 or above, since published thresholds may be 0.
    """

    architecture = "jumprelu"
    subtract_decoder_bias = False
    defaults: ClassVar[TrainingConfig] = TrainingConfig(sparsity=1.0, beta1=0.0)

    threshold: nn.Parameter

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.threshold = nn.Parameter(torch.full((config.features,), INITIAL_THRESHOLD))

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of scaled activations."""
        z = self.pre_activations(x).relu()  # z = relu(x W_enc + b_enc)
        return z * (z > self.threshold)  # f = z·1[z > θ]

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:
        """Return ‖x - x̂‖² + λ ‖f‖₀, means over tokens (the paper's equation 9); gradients by `jump`."""
        codes, on = jump(self.pre_activations(x).relu(), self.threshold, config.bandwidth)  # f, 1[z > θ]
        reconstruction, _ = self.reconstruction(x, codes)
        count = on.sum() / len(x)  # ‖f‖₀
        terms = {"reconstruction": reconstruction.detach(), "l0": count.detach()}
        return Losses(reconstruction + sparsity * count, terms, codes.detach())  # eq. 9

    def after_step(self) -> None:
        """Bring decoder rows back to norm 1, and thresholds to 0 or above."""
        super().after_step()
        with torch.no_grad():
            self.threshold.clamp_(min=0.0)

    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """Revive by `revive_rows`, and set the features' thresholds to their initial value."""
        super().revive(dead, x, generator)
        with torch.no_grad():
            self.threshold[dead] = INITIAL_THRESHOLD


def jump(
    z: Float[Tensor, "tokens F"], threshold: Float[Tensor, "F"], bandwidth: float
) -> tuple[Float[Tensor, "tokens F"], Float[Tensor, "tokens F"]]:
    """Return (z·1[z > θ], 1[z > θ]), whose pseudo-derivatives in θ are estimated by a kernel of width ε.

    With K(u) = 1[|u| < 1/2] (the paper's equations 11 and 12):
        ∂/∂θ z·1[z > θ] = -(θ/ε) K((z - θ)/ε),   ∂/∂θ 1[z > θ] = -(1/ε) K((z - θ)/ε)
    In z the former has its derivative 1[z > θ], the latter none.

    Args:
        z: (tokens, F) pre-activations after relu.
        threshold: (F) θ.
        bandwidth: ε, in the units of z.
    """
    codes, on = _Jump.apply(z, threshold, bandwidth)  # type: ignore[no-untyped-call]
    return codes, on


class _Jump(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, threshold: Tensor, bandwidth: float) -> tuple[Tensor, Tensor]:
        on = (z > threshold).to(z.dtype)  # 1[z > θ]
        ctx.save_for_backward(z, threshold, on)
        ctx.bandwidth = bandwidth
        return z * on, on

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        z, threshold, on = ctx.saved_tensors
        of_codes, of_on = gradients
        near = ((z - threshold).abs() < ctx.bandwidth / 2).to(z.dtype)  # K((z - θ)/ε)
        of_threshold = -(near * (threshold * of_codes + of_on)).sum(dim=0) / ctx.bandwidth  # eq. 11 and 12
        return of_codes * on, of_threshold.to(threshold.dtype), None
