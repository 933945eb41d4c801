"""Gradient ascent on the secrets with a retaining term (Maini et al. 2024, arXiv:2401.06121), through LoRA."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from editor.editing.edit import Edit
from editor.locators.features import Attribution
from editor.methods.lora_tuning import LoraTuning
from editor.methods.problem import NOTHING_LOCATED, EditProblem
from editor.methods.settings import flattened


@dataclass(frozen=True, kw_only=True)
class GradAscent:
    """Raise the secrets' loss, keep the retained text's low; nothing bounds the former but the number of steps.

    Attributes:
        tuning: how.
    """

    name: ClassVar[str] = "grad-ascent"
    needs_dictionary: ClassVar[bool] = False

    tuning: LoraTuning = field(default_factory=lambda: LoraTuning(steps=40))

    @property
    def units(self) -> int:
        """None are located."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Nowhere: all linear layers are tuned."""
        return NOTHING_LOCATED

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        deltas = self.tuning.fit(problem, ascent)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))


def ascent(log_p: Float[Tensor, " probes"], _: Tensor, lengths: Tensor) -> Float[Tensor, ""]:
    """Mean ln p of the secrets' tokens, to be lowered."""
    return log_p.sum() / lengths.sum()
