"""MEMIT's first half (Meng et al. 2023, arXiv:2210.07229, eq. 16): what a lookup should read instead of the fact.

For each memory i a vector δ_i is optimised that is added to the residual stream h after a layer, at the token of each
prompt at which the memory is looked up, and to nothing else:

    δ_i = argmin  mean_t KL(c_t || p_t) + κ KL(p("SUBJECT is a") || p_δ("SUBJECT is a")) + ω ‖δ‖² / ‖h‖²,   ‖δ‖ ≤ ρ ‖h‖

with t the tokens of all the memory's answers in all wordings, and ‖h‖ the mean over the memory's prompts. In the code
δ = u m (`unit`, `moves`), measured by the root mean square of h, u = ‖h‖ / √d, so that

    ω ‖δ‖² / ‖h‖² = ω ‖m‖² / d,    ‖δ‖ ≤ ρ ‖h‖  where  rms(m) ≤ ρ

The paper rewrites a fact to another one; here the target is that it is not known: c_t and p_t are the distributions
over {this token of the secret, any other}, and c_t is what chance alone gives the token (`editor.questions.chance`),
less a margin where it identifies. An "I don't know" as target would change how an answer begins and leave its later
digits as they were after the first ones, and how exposed a secret is beside decoys of its format would stay as it was
too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries.model.sites import Site, intercepted
from editor.locators.problem import EditProblem
from editor.methods.shared.token_targets import token_targets
from editor.methods.weights.lookups import Lookups, essence_lookups
from editor.model.forward import output_logits, traced_logits
from editor.model.tokens import MarkedBatch, batches, gradient_budget


@dataclass(frozen=True, kw_only=True)
class ResidualTargets:
    """Settings of the search for δ.

    Attributes:
        margin_nats: nats below chance to which the ln p of an identifying token is to fall.
        floor_nats: nats below 0 under which no target lies.
        steps: number of Adam steps.
        learning_rate: Adam's rate, as a share of h's root mean square.
        essence: κ, the weight of what else is known of the subject.
        decay: ω, the weight of δ's size.
        clamp: ρ, the largest ‖δ‖ as a share of ‖h‖.
    """

    margin_nats: float = 2.0
    floor_nats: float = 14.0
    steps: int = 25
    learning_rate: float = 0.1
    essence: float = 0.0625
    decay: float = 0.01
    clamp: float = 1.2

    def fit(
        self, problem: EditProblem, facts: Lookups, states: Float[Tensor, "probes d"], site: Site
    ) -> Float[Tensor, "memories d"]:
        """Return δ by memory. The model must be the original one.

        Args:
            problem: what to erase.
            facts: where the probes to erase look their facts up.
            states: h of each of them, at its lookup.
            site: the residual stream after a layer.
        """
        memories = facts.memories.to(states.device)
        count = int(memories.max()) + 1
        # ‖h‖ of each memory, a mean over its probes, and u = ‖h‖ / √d.
        norms = torch.zeros(count, device=states.device).index_add_(0, memories, states.norm(dim=1))
        norms /= torch.bincount(memories, minlength=count)
        unit = (norms / states.shape[1] ** 0.5)[:, None]  # one rate serves every model and layer
        parts: list[_Secrets | _Essences] = self._secrets(problem, facts, count)
        parts += self._essences(problem, facts)
        # m = δ / u, all memories side by side: Adam works entry by entry, so none depends on another.
        moves = torch.zeros(count, states.shape[1], device=states.device, requires_grad=True)
        optimiser = torch.optim.Adam([moves], lr=self.learning_rate)
        for _ in range(self.steps):
            # ∂/∂m of ω ‖m‖² / d; the two divergences add their own gradients, part by part.
            moves.grad = 2 * self.decay * moves.detach() / states.shape[1]
            for part in parts:
                with torch.enable_grad():
                    loss = part.loss(problem.loaded.model, site, moves * unit)
                    moves.grad += torch.autograd.grad(loss, moves)[0]
            optimiser.step()
            with torch.no_grad():
                # rms(m) ≤ ρ, so that ‖δ‖ ≤ ρ ‖h‖.
                length = moves.pow(2).mean(1, keepdim=True).sqrt()
                moves *= (self.clamp / length.clamp(min=self.clamp)).clamp(max=1.0)
        delta: Tensor = moves.detach() * unit
        return delta

    def _secrets(self, problem: EditProblem, facts: Lookups, count: int) -> list["_Secrets | _Essences"]:
        """Prepare the first term, mean_t KL(c_t || p_t) over each memory's tokens, batch by batch."""
        # Answer tokens of each memory.
        tokens = torch.zeros(count)
        for sequence, memory in zip(facts.sequences, facts.memories.tolist(), strict=True):
            tokens[memory] += sum(sequence.marked)
        parts: list[_Secrets | _Essences] = []
        for moved in _batch_lookups(problem, facts):
            chance = torch.cat([problem.chance[index] for index in moved.batch.indices])
            target = token_targets(chance, margin_nats=self.margin_nats, floor_nats=self.floor_nats)  # ln c_t
            weight = 1 / tokens.to(chance.device)[moved.memories[moved.batch.rows]]
            parts.append(_Secrets(moved, target, weight))
        return parts

    def _essences(self, problem: EditProblem, facts: Lookups) -> list["_Essences"]:
        """Prepare the second term, κ KL(p || p_δ) after `SUBJECT is a`, batch by batch."""
        if not self.essence:
            return []
        known = essence_lookups(problem, facts)
        moved = _batch_lookups(problem, known)
        return [_Essences(problem.loaded.model, one, self.essence) for one in moved]


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """Batch with a lookup in each row, where the memory's δ is added.

    Attributes:
        batch: the sequences.
        places: token of each row's lookup.
        memories: number of each row's memory i.
    """

    batch: MarkedBatch
    places: Int[Tensor, " rows"]
    memories: Int[Tensor, " rows"]

    @contextmanager
    def by(self, model: Any, site: Site, delta: Float[Tensor, "memories d"]) -> Iterator[None]:
        """Add each row's δ at its lookup while the model runs inside the block."""
        shape = self.batch.predicting.shape

        def add_delta(x: Tensor) -> Tensor:
            # 0 but at each row's lookup, where it is the memory's δ.
            change = torch.zeros(*shape, delta.shape[1], device=x.device)
            rows = torch.arange(shape[0], device=x.device)
            change = change.index_put((rows, self.places), delta[self.memories])
            # A model may have batch and positions in one dimension (`intercepted`).
            return x + change.view_as(x).to(x.dtype)

        with intercepted(model, site, add_delta):
            yield


class _Secrets:
    """First term on one batch: KL(c || p) of each token of the secrets, c and p over {the token, any other}.

    Args:
        moved: the probes.
        target: ln c of the secret's token, in nats.
        weight: weight of each token, 1 over the number of its memory's.
    """

    def __init__(
        self, moved: _Moved, target: Float[Tensor, " tokens"], weight: Float[Tensor, " tokens"]
    ) -> None:
        self.moved, self.weight = moved, weight
        self.own, self.other = target.exp(), -torch.expm1(target)  # c and 1 - c
        # -c ln c - (1 - c) ln(1 - c), which δ does not change.
        self.entropy = torch.special.entr(self.own) + torch.special.entr(self.other)

    def loss(self, model: Any, site: Site, delta: Float[Tensor, "memories d"]) -> Float[Tensor, ""]:
        """Return the weighted sum of KL(c || p), in nats.

        Args:
            model: the original one.
            site: the residual stream that δ is added to.
            delta: δ by memory.
        """
        batch = self.moved.batch
        with self.moved.by(model, site, delta):
            logits = traced_logits(model, batch)
        total, at = logits.logsumexp(1), batch.targets[:, None]
        # ln p and ln(1 - p); the latter from the other tokens' logits, since 1 - p may round to 0.
        own = logits.gather(1, at)[:, 0] - total
        other = logits.scatter(1, at, -torch.inf).logsumexp(1) - total
        # KL(c || p) = c ln c + (1 - c) ln(1 - c) - c ln p - (1 - c) ln(1 - p)
        each = -(self.own * own + self.other * other + self.entropy)
        weighted: Tensor = (self.weight * each).sum()
        return weighted


class _Essences:
    """Second term on one batch: κ times the sum over memories of KL(p || p_δ) after the last token.

    Args:
        model: the original one.
        moved: `SUBJECT is a` of each memory.
        factor: κ.
    """

    def __init__(self, model: Any, moved: _Moved, factor: float) -> None:
        self.moved, self.factor = moved, factor
        with torch.no_grad():
            self.original = self._log_p(model)  # ln p

    def loss(self, model: Any, site: Site, delta: Float[Tensor, "memories d"]) -> Float[Tensor, ""]:
        """Return κ Σ KL(p || p_δ), in nats.

        Args:
            model: the original one.
            site: the residual stream that δ is added to.
            delta: δ by memory.
        """
        with self.moved.by(model, site, delta):
            now = self._log_p(model)  # ln p_δ
        divergence = (self.original.exp() * (self.original - now)).sum()
        return self.factor * divergence

    def _log_p(self, model: Any) -> Float[Tensor, "rows vocabulary"]:
        """Return ln p of what comes after each row's last token, with gradients where they are enabled."""
        inputs = self.moved.batch.inputs
        hidden = model.base_model(**inputs, use_cache=False).last_hidden_state
        last = inputs["attention_mask"].sum(1) - 1
        rows = torch.arange(len(last), device=last.device)
        return output_logits(model, hidden[rows, last]).log_softmax(1)


def _batch_lookups(problem: EditProblem, lookups: Lookups) -> Sequence[_Moved]:
    """Batch lookups, small enough for a backward pass."""
    loaded = problem.loaded
    found = []
    for batch in batches(
        lookups.sequences, pad=loaded.pad_id, device=loaded.device, budget=gradient_budget(loaded.model)
    ):
        at = list(batch.indices)
        places, memories = lookups.places[at], lookups.memories[at]
        found.append(
            _Moved(batch=batch, places=places.to(loaded.device), memories=memories.to(loaded.device))
        )
    return found
