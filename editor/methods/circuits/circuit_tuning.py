"""Fine-tuning that is confined to part of a model's weights, bit for bit.

With θ₀ the original weights, M a mask of their entries and L the loss below, each step is

    g = M ⊙ ∂L/∂θ,   g clipped to a norm,   θ ← Adam(θ, g) without weight decay,   θ ← θ₀ + M ⊙ (θ - θ₀)

Only the entries of M are held, moved and written (`ConfinedWeights`), in float32, which is the same and leaves the
others untouched. The forward pass sees them rounded to the checkpoint's dtype, so that what is trained is what is
written.

    L = mean_t [ln p_t > target_t] l(p_t) + retain · mean KL(original || edited)

The first mean is over the secrets' tokens t that identify (`editor.questions.chance`): one counts as long as it is more
probable than its target, chance less a margin. The second is over marked tokens of the retained text. l is one of

    npo                 2/β ln(1 + (p/p₀)^β), negative preference optimisation (Zhang et al. 2024, arXiv:2404.05868),
                        by token
    log-one-minus-p     -ln(1 - p)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from editor.edits.edit import MaskedDelta, preserved
from editor.locators.blocks import Masks
from editor.locators.problem import EditProblem
from editor.methods.circuits.confined_weights import ConfinedWeights
from editor.methods.shared.token_targets import identifying, token_targets
from editor.model.epochs import epochs_by_length
from editor.model.forward import token_log_p, traced_logits
from editor.model.tokens import TokenSequence, batches, one_batch
from editor.progress import tell_step
from editor.questions.retained import LOGIT_ELEMENTS

Objective = Literal["npo", "log-one-minus-p"]
CERTAIN = 1e-6
"""p is taken to be at most 1 minus this."""


@dataclass(frozen=True, kw_only=True)
class CircuitTuning:
    """Settings of a fine-tuning that is confined to a mask.

    Attributes:
        objective: l, the loss of a secret's token.
        margin_nats: nats below chance to which the ln p of an identifying token must fall.
        floor_nats: nats below 0 at which a token's ln p is low enough, whatever chance gives it.
        steps: number of Adam steps.
        learning_rate: Adam's rate; it falls linearly to a tenth over the last half of the steps.
        retain: weight of the retaining term.
        beta: β of `npo`.
        clip_norm: norm that gradients are clipped to after masking.
        probes: number of probes to erase in a step.
        texts: number of retained texts in a step.
        seed: seed of the order of both.
    """

    objective: Objective = "npo"
    margin_nats: float = 2.0
    floor_nats: float = 14.0
    steps: int = 100
    learning_rate: float = 3e-4
    retain: float = 30.0
    beta: float = 0.1
    clip_norm: float = 1.0
    probes: int = 16
    texts: int = 16
    seed: int = 0

    def fit(self, problem: EditProblem, masks: Masks) -> dict[str, MaskedDelta]:
        """Return the changes of the masked weights; the model is left as it was, bit for bit.

        Args:
            problem: what to erase and what to retain.
            masks: M, by parameter name.

        Returns:
            M ⊙ (θ - θ₀) by parameter name.
        """
        loaded = problem.loaded
        with preserved(loaded.model, set(masks)):
            weights = ConfinedWeights(loaded, masks)
            optimiser = torch.optim.Adam([weights.values], lr=self.learning_rate)
            erase = _Erase(problem, self)
            for step, (probes, texts) in enumerate(self._draws(problem)):
                optimiser.param_groups[0]["lr"] = self._rate(step)
                retained = _Retained(problem, [problem.retained[place] for place in texts], weights)
                # L and g = M ⊙ ∂L/∂θ.
                with weights.trainable():
                    loss = erase.loss(probes) + self.retain * retained.loss()
                    gradient = weights.gradient(loss)
                # g clipped, θ ← Adam(θ, g), and θ into the model, rounded.
                weights.values.grad = gradient * min(1.0, self.clip_norm / (float(gradient.norm()) + 1e-12))
                optimiser.step()
                weights.write()
                tell_step()
            return weights.deltas()

    def _rate(self, step: int) -> float:
        """Return the learning rate of a step: the whole for the first half, then down to a tenth of it."""
        left = (
            self.steps - step
        ) / self.steps  # share of the steps that are left; 1/2 gives 1, and 0 gives 0.1
        return self.learning_rate * min(1.0, 0.1 + 1.8 * left)

    def _draws(self, problem: EditProblem) -> Iterator[tuple[list[int], list[int]]]:
        """Yield the places of each step's probes and retained texts, reshuffled each time all of them were seen."""
        generator = torch.Generator().manual_seed(self.seed)
        sources = [
            epochs_by_length(problem.erase, self.probes, generator),
            epochs_by_length(problem.retained, self.texts, generator),
        ]
        for _ in range(self.steps):
            yield next(sources[0]), next(sources[1])


class _Erase:
    """The term of L over the secrets.

    Attributes:
        original: ln p₀ of each probe's answer tokens, the original model's.
    """

    def __init__(self, problem: EditProblem, tuning: CircuitTuning) -> None:
        self.problem, self.tuning = problem, tuning
        self.original = self._read()

    def loss(self, places: Sequence[int]) -> Float[Tensor, ""]:
        """Return the mean of l over the identifying tokens of some probes; those at their target count as 0.

        Args:
            places: places of the probes among those to erase.
        """
        batch = one_batch(self.problem.loaded, [self.problem.erase[place] for place in places])
        chance = torch.cat([self.problem.chance[place] for place in places]).to(batch.targets.device)
        counts = identifying(chance)
        target = token_targets(chance, margin_nats=self.tuning.margin_nats, floor_nats=self.tuning.floor_nats)
        log_p = token_log_p(self.problem.loaded.model, batch)
        # ln p_t > target_t, at the tokens that identify.
        is_open = counts & (log_p.detach() > target)
        each = self._each(log_p, torch.cat([self.original[place] for place in places]))
        return torch.where(is_open, each, 0.0).sum() / counts.sum().clamp(min=1)

    def _each(
        self, log_p: Float[Tensor, " tokens"], original: Float[Tensor, " tokens"]
    ) -> Float[Tensor, " tokens"]:
        """Return l of each token.

        Args:
            log_p: ln p of the model as it stands.
            original: ln p₀.
        """
        if self.tuning.objective == "log-one-minus-p":
            # -ln(1 - p)
            return -torch.log1p(-log_p.exp().clamp(max=1 - CERTAIN))
        # 2/β ln(1 + (p/p₀)^β) = 2/β softplus(β (ln p - ln p₀))
        beta = self.tuning.beta
        return 2 / beta * nn.functional.softplus(beta * (log_p - original))

    @torch.no_grad()
    def _read(self) -> list[Float[Tensor, " tokens"]]:
        """Return ln p₀ of each probe's answer tokens, in nats."""
        problem = self.problem
        found: list[Tensor] = [torch.empty(0)] * len(problem.erase)
        # Batches are sorted by length: the index says where a probe belongs.
        placed = [replace(sequence, index=place) for place, sequence in enumerate(problem.erase)]
        for batch in batches(placed, pad=problem.loaded.pad_id, device=problem.loaded.device):
            log_p = token_log_p(problem.loaded.model, batch)
            for row, place in enumerate(batch.indices):
                found[place] = log_p[batch.rows == row]
        return found


class _Retained:
    """The term of L over one step's retained texts: KL(original || edited) over marked tokens, in nats/token."""

    def __init__(
        self, problem: EditProblem, sequences: Sequence[TokenSequence], weights: ConfinedWeights
    ) -> None:
        # The first texts whose logits there is room for, at least one.
        room = LOGIT_ELEMENTS // problem.loaded.vocabulary
        chosen = [s for s, total in zip(sequences, _count_padded(sequences), strict=True) if total <= room]
        self.problem = problem
        self.batch = one_batch(problem.loaded, chosen or sequences[:1])
        with weights.original_inside(), torch.no_grad():
            self.original = traced_logits(problem.loaded.model, self.batch).log_softmax(1)

    def loss(self) -> Float[Tensor, ""]:
        """Return the divergence as the weights stand."""
        after = traced_logits(self.problem.loaded.model, self.batch).log_softmax(1)
        return (self.original.exp() * (self.original - after)).sum() / max(1, len(self.batch.targets))


def _count_padded(sequences: Sequence[TokenSequence]) -> Iterator[int]:
    """Yield the padded tokens of the first one, two, three ... of some sequences."""
    longest = 0
    for count, sequence in enumerate(sequences, start=1):
        longest = max(longest, len(sequence.ids))
        yield count * longest
