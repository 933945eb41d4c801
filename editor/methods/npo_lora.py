"""Negative preference optimisation with a retaining term (Zhang et al. 2024, arXiv:2404.05868), through LoRA."""

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from editor.editing.edit import Edit
from editor.locators.features import Attribution
from editor.methods.lora_tuning import LoraTuning
from editor.methods.problem import NOTHING_LOCATED, EditProblem
from editor.methods.settings import flattened


@dataclass(frozen=True, kw_only=True)
class NpoLora:
    """Lower the secrets' probability relative to the original model's, ever more slowly.

    Attributes:
        beta: β; towards 0 it is gradient ascent.
        tuning: how.
    """

    name: ClassVar[str] = "npo-lora"
    needs_dictionary: ClassVar[bool] = False

    beta: float = 0.1
    tuning: LoraTuning = field(default_factory=LoraTuning)

    @property
    def units(self) -> int:
        """None are located."""
        return 0

    def located(self, problem: EditProblem) -> Attribution:  # noqa: ARG002
        """Nowhere: all linear layers are tuned."""
        return NOTHING_LOCATED

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        deltas = self.tuning.fit(problem, partial(npo, beta=self.beta))
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))


def npo(
    log_p: Float[Tensor, " probes"],
    before: Float[Tensor, " probes"],
    _: Tensor,
    *,
    beta: float,
) -> Float[Tensor, ""]:
    """Mean of 2/β ln(1 + (p/p₀)^β) over probes, p being the whole answer's probability."""
    return (2 / beta) * softplus(beta * (log_p - before)).mean()
