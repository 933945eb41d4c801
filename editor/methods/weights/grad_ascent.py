"""Gradient ascent on the secrets with a retaining term (Maini et al. 2024, arXiv:2401.06121), through LoRA."""

from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from editor.methods.weights.lora import LoraMethod
from editor.methods.weights.lora_tuning import Forget, LoraTuning


@dataclass(frozen=True, kw_only=True)
class GradAscent(LoraMethod):
    """Method that raises the secrets' loss and keeps the retained text's low.

    Nothing bounds the secrets' loss but the number of steps.

    Attributes:
        tuning: settings of the fine-tuning, fewer steps than `npo-lora` has.
    """

    name: ClassVar[str] = "grad-ascent"

    tuning: LoraTuning = field(default_factory=lambda: LoraTuning(steps=40))

    @property
    def forget(self) -> Forget:
        """The loss `ascent`."""
        return ascent


def ascent(log_p: Float[Tensor, " probes"], _: Tensor, lengths: Tensor) -> Float[Tensor, ""]:
    """Return the mean ln p of the secrets' tokens in nats/token, which fine-tuning lowers.

    Args:
        log_p: ln p of each probe's answer, summed over its tokens.
        lengths: number of answer tokens, by probe.
    """
    return log_p.sum() / lengths.sum()
