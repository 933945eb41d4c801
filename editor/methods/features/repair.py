"""Repair of what an edit costs retained text, while the erased tokens are held.

Least squares keeps ‖ΔW k‖ small where keys are retained; what the model says there may change all the same, where a
token's probability hangs on little. So the edit is followed by a few natural-gradient steps (Martens & Grosse 2015,
arXiv:1503.05671, the input factor alone) on D = mean KL(original || edited) over retained tokens:

    ΔW ← ΔW - η (∂D/∂W) (C₀ + h C_erase + ε I)⁻¹        C = mean kkᵀ;  h large: outputs at erased keys stay as they are

D is taken where it is largest: on the text that has lost most, such as a namesake's records. The step η is the
minimum of the parabola through D, its slope and one trial step, `LONGEST` trial steps at most:

    D(η) ≈ D + s η + c η²,    η = -s / (2c),    trial step η₁ = -D / s,    c = (D(η₁) - D - s η₁) / η₁²

with s = ⟨∂D/∂W, direction⟩ summed over sites, the slope along the direction -(∂D/∂W) (C₀ + h C_erase + ε I)⁻¹.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site
from editor.locators.problem import EditProblem
from editor.methods.shared.changes import Changes
from editor.model.forward import logit_blocks, marked_hidden, output_logits
from editor.model.tokens import MarkedBatch, TokenSequence
from editor.questions.retained import LOGIT_ELEMENTS, text_batches, text_log_p

EPSILON = 1e-3
"""ε relative to the mean diagonal of C₀ + h C_erase."""
LEAST_DIVERGENCE = 1e-7
"""D in nats/token: less is rounding."""
LONGEST = 4.0
"""Largest multiple of the trial step that a step may be."""
SUSPECTS = 0.25
"""Share of the retained texts that later rounds look at, those that lost most."""


class Repair:
    """Repair of one edit, again and again as it grows.

    Args:
        problem: source of the retained text and of C₀.
        changes: the edit, in the model.
        steps: number of steps in a repair.
        hold: h, the weight of erased keys relative to retained ones.
        tokens: tokens of the text that the edit damages most to repair at a time, fewer where the vocabulary
            is large.
    """

    def __init__(
        self, problem: EditProblem, changes: Changes, *, steps: int, hold: float = 20.0, tokens: int = 6_000
    ) -> None:
        self.problem, self.changes = problem, changes
        self.steps, self.hold = steps, hold
        self.tokens = min(tokens, LOGIT_ELEMENTS // problem.loaded.vocabulary)
        self._suspects = list(range(len(problem.retained)))

    def run(self, erased: Mapping[Site, Float[Tensor, "tokens m"]]) -> list[float]:
        """Change the weights further.

        Args:
            erased: k of the erased tokens, by writing site.

        Returns:
            D in nats/token before each step, on the text it repairs; empty where nothing is repaired.
        """
        if not self.steps or not (text := self._find_damaged()):
            return []
        covariance = self.problem.retained_covariance
        # (C₀ + h C_erase + ε I)⁻¹: both are held through the repair, so it is inverted once.
        inverses = {site: self._inverse(covariance[site], k) for site, k in erased.items()}
        divergence = _Divergence(self.problem, self.changes, text)
        found = []
        for _ in range(self.steps):
            value, gradients = divergence.gradients(self.changes)  # D and ∂D/∂W
            found.append(value)
            directions = {site: -gradients[site] @ inverse for site, inverse in inverses.items()}
            # s, negative where rounding does not spoil it: the inverse is positive definite.
            slope = sum(float((gradients[site] * directions[site]).sum()) for site in directions)
            if value < LEAST_DIVERGENCE or not slope < 0:
                break
            self._descend(directions, divergence, value, slope)
        return found

    def _find_damaged(self) -> list[TokenSequence]:
        """Return the retained text that loses most ln p; later rounds look only where an earlier one found most."""
        retain = self.problem.retained
        places = self._suspects
        before = self.problem.retained_log_p[places]
        # Nats by text: how much less probable the edited model finds it.
        loss = before - text_log_p(self.problem.loaded, [retain[place] for place in places])
        ranked = [places[i] for i in loss.argsort(descending=True, stable=True).tolist()]
        self._suspects = sorted(ranked[: max(1, round(SUSPECTS * len(retain)))])
        chosen: list[TokenSequence] = []
        left = self.tokens
        # The most damaged texts, until they have as many tokens as may be repaired at a time.
        for place in ranked:
            if left <= 0:
                break
            chosen.append(retain[place])
            left -= len(retain[place].ids)
        return chosen

    def _descend(
        self,
        directions: Mapping[Site, Float[Tensor, "d m"]],
        divergence: "_Divergence",
        value: float,
        slope: float,
    ) -> None:
        """Try the step at which the tangent reaches zero, -D / slope; then go to the parabola's minimum."""
        trial = -value / slope  # η₁
        for site, direction in directions.items():
            self.changes.add(site, trial * direction)
        # c of D + s η + c η²; where it is not positive the parabola has no minimum, and the longest step is taken.
        curvature = (divergence.value() - value - slope * trial) / trial**2
        best = -slope / (2 * curvature) if curvature > 0 else LONGEST * trial
        # The trial step is in the weights already.
        for site, direction in directions.items():
            self.changes.add(site, (min(best, LONGEST * trial) - trial) * direction)

    def _inverse(
        self, covariance: Float[Tensor, "m m"], keys: Float[Tensor, "tokens m"]
    ) -> Float[Tensor, "m m"]:
        """Return (C₀ + h C_erase + ε I)⁻¹, C_erase = KᵀK/n over the erased keys."""
        system = covariance.to(keys.device) + self.hold * (keys.T @ keys) / len(keys)
        system.diagonal().add_(EPSILON * float(system.diagonal().mean()))
        inverse: Tensor = torch.linalg.inv(system)
        return inverse


class _Divergence:
    """D on some retained text: mean KL(original || edited) over its marked tokens, in nats/token."""

    def __init__(self, problem: EditProblem, changes: Changes, sequences: Sequence[TokenSequence]) -> None:
        self.loaded, self.model = problem.loaded, problem.loaded.model
        self.batches: list[MarkedBatch] = list(text_batches(problem.loaded, sequences, backward=True))
        self.tokens = max(1, sum(len(batch.targets) for batch in self.batches))
        # Final hidden states of the original model, (tokens, d) a batch: no projection of a site is the output head,
        # so ln p follows from them at any time, some rows at a time.
        with changes.suspended(), torch.no_grad():
            self.original = [marked_hidden(self.loaded, batch) for batch in self.batches]

    @torch.no_grad()
    def value(self) -> float:
        """Return D as the weights stand."""
        total = 0.0
        for batch, original in zip(self.batches, self.original, strict=True):
            for place, logits in logit_blocks(self.loaded, marked_hidden(self.loaded, batch)):
                total += float(_divergence(self._before(original, place), logits))
        return total / self.tokens

    def gradients(self, changes: Changes) -> tuple[float, dict[Site, Float[Tensor, "d m"]]]:
        """Return D, and ∂D/∂W of each site's output projection, (d, m)."""
        total = 0.0
        sums: dict[Site, Tensor] = {}
        with changes.trainable() as weights, torch.enable_grad():
            for batch, original in zip(self.batches, self.original, strict=True):
                hidden = self.model.base_model(**batch.inputs, use_cache=False).last_hidden_state[
                    batch.predicting
                ]
                # ∂D/∂hidden, block by block; then one backward pass below the output head.
                leaf = hidden.detach().requires_grad_()
                upper = torch.zeros_like(leaf)
                for place, logits in logit_blocks(self.loaded, leaf):
                    divergence = _divergence(self._before(original, place), logits)
                    upper += torch.autograd.grad(divergence, leaf)[0]
                    total += float(divergence.detach())
                found = torch.autograd.grad(hidden, list(weights.values()), upper)
                for site, gradient in zip(weights, found, strict=True):
                    sums[site] = sums[site] + gradient.float() if site in sums else gradient.float()
        return total / self.tokens, {site: changes.upright(site, g / self.tokens) for site, g in sums.items()}

    @torch.no_grad()
    def _before(self, original: Float[Tensor, "tokens d"], place: slice) -> Float[Tensor, "rows vocab"]:
        """Return ln p of the original model at some of a batch's tokens."""
        return output_logits(self.model, original[place]).log_softmax(1)


def _divergence(before: Float[Tensor, "tokens vocab"], logits: Float[Tensor, "tokens vocab"]) -> Tensor:
    """Return the sum over tokens of KL(original || edited), in nats.

    Args:
        before: ln p of the original model.
        logits: of the model as it stands.
    """
    return (before.exp() * (before - logits.float().log_softmax(1))).sum()
