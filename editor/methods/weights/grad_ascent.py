"""Gradient ascent on the secrets with a retaining term (Maini et al. 2024, arXiv:2401.06121), through LoRA."""

from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from editor.methods.weights.lora import LoraMethod
from editor.methods.weights.lora_tuning import Forget, LoraTuning


@dataclass(frozen=True, kw_only=True)
class GradAscent(LoraMethod):
    """Raise the secrets' loss, keep the retained text's low; nothing bounds the former but the number of steps."""

    name: ClassVar[str] = "grad-ascent"

    tuning: LoraTuning = field(default_factory=lambda: LoraTuning(steps=40))

    @property
    def forget(self) -> Forget:
        """`ascent`."""
        return ascent


def ascent(log_p: Float[Tensor, " probes"], _: Tensor, lengths: Tensor) -> Float[Tensor, ""]:
    """Mean ln p of the secrets' tokens, to be lowered."""
    return log_p.sum() / lengths.sum()
