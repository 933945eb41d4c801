"""Negative preference optimisation with a retaining term (Zhang et al. 2024, arXiv:2404.05868), through LoRA."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from editor.methods.weights.lora import LoraMethod
from editor.methods.weights.lora_tuning import Forget


@dataclass(frozen=True, kw_only=True)
class NpoLora(LoraMethod):
    """Method that lowers the secrets' probability relative to the original model's, ever more slowly.

    Attributes:
        beta: β; towards 0 the loss's gradient is that of gradient ascent.
    """

    name: ClassVar[str] = "npo-lora"

    beta: float = 0.1

    @property
    def forget(self) -> Forget:
        """The loss `npo` with the method's β."""
        return partial(npo, beta=self.beta)


def npo(
    log_p: Float[Tensor, " probes"],
    before: Float[Tensor, " probes"],
    _: Tensor,
    *,
    beta: float,
) -> Float[Tensor, ""]:
    """Return the mean of 2/β ln(1 + (p/p₀)^β) over probes, p being the whole answer's probability.

    Args:
        log_p: ln p, of each probe's answer as a whole.
        before: ln p₀, the original model's.
        beta: β.
    """
    # ln(1 + (p/p₀)^β) = softplus(β (ln p - ln p₀))
    return (2 / beta) * softplus(beta * (log_p - before)).mean()
