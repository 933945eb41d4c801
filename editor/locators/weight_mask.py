"""Circuits by weight mask: which weights of the blocks a model needs to say what it says about the facts.

One logit l for each block weight; a weight outside the mask is 0. In each step

    soft = σ((l + logistic noise) / τ),   hard = [soft > 1/2],   W ∘ hard forward, the gradient of soft backward
    loss = CE(argmax of the whole model) over the answers' tokens  +  λ mean σ(l)

(straight-through Gumbel sigmoid; Cao et al. 2021, arXiv:2104.03514; Yu et al. 2024, arXiv:2407.03779; used to find the
circuits that are edited in Ge et al. 2024, arXiv:2406.17241). λ is not chosen but steered: it rises while mean σ is
above a course that falls geometrically from 1 to the density wanted, and falls while it is below. When the course
passes a density, the mask of that density is the weights of the highest logits.

It holds a logit, its gradient and two moments for every weight of the blocks: for small models.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from editor.locators.blocks import BlockWeight, Masks, block_weights
from editor.model.epochs import epochs
from editor.model.forward import output_logits
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence, batches, one_batch

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem

DENSITIES = (0.5, 0.35, 0.25, 0.15, 0.05)
"""Default shares of the block weights that masks keep."""
FIRST_LOGIT = 4.0
"""First value of every logit: σ = 0.98, so masks begin nearly whole."""
STEERING = 2.0
"""Change of ln λ in a step where mean σ is off its course by 1."""


@dataclass(frozen=True, kw_only=True)
class FoundMasks:
    """Masks of one search.

    Attributes:
        masks: density -> parameter name -> which entries the mask keeps.
        agreement: density -> share of the answers' tokens that the masked model predicts as the whole one does.
    """

    masks: Mapping[float, Mapping[str, Bool[Tensor, "..."]]] = field(repr=False)
    agreement: Mapping[float, float]


@dataclass(frozen=True, kw_only=True)
class WeightMask:
    """A search for masks of several densities in one course.

    Attributes:
        densities: shares of the block weights that masks are to keep.
        steps: number of steps until the least density is reached.
        temperature: temperature of the soft mask, τ.
        learning_rate: Adam's learning rate on the logits.
        probes: number of prompts in a step.
        seed: the seed of the noise and of the order of prompts.
    """

    densities: tuple[float, ...] = DENSITIES
    steps: int = 150
    temperature: float = 0.01
    learning_rate: float = 0.2
    probes: int = 16
    seed: int = 0

    def search(self, problem: "EditProblem", progress: Callable[[int], None] | None = None) -> FoundMasks:
        """Search on the probes to erase. The model is left as it was."""
        return self.fit(problem.loaded, problem.erase, progress)

    def fit(
        self,
        loaded: LoadedModel,
        sequences: Sequence[TokenSequence],
        progress: Callable[[int], None] | None = None,
    ) -> FoundMasks:
        """Search on some sequences with answers marked. The model is left as it was.

        Args:
            loaded: the model.
            sequences: prompts with marked answers.
            progress: called with 1 after each step.
        """
        masked = _MaskedModel(loaded)
        generator = torch.Generator(device=loaded.device).manual_seed(self.seed)
        logits = nn.Parameter(torch.full((masked.size,), FIRST_LOGIT, device=loaded.device))  # l
        optimiser = torch.optim.Adam([logits], lr=self.learning_rate)
        wanted = sorted(self.densities, reverse=True)
        found: dict[float, dict[str, Tensor]] = {}
        price: float | None = None  # λ, over the number of weights
        for step, places in enumerate(self._draws(len(sequences))):
            batch = one_batch(loaded, [sequences[place] for place in places])
            soft = torch.sigmoid((logits + _noise(logits, generator)) / self.temperature)
            hard = (soft > 0.5).to(soft.dtype)
            # Straight through: hard forward, the gradient of soft backward.
            loss = masked.cross_entropy(hard + soft - soft.detach(), batch)
            (pull,) = torch.autograd.grad(loss, logits)
            share = torch.sigmoid(logits.detach())  # σ(l)
            slope = share * (1 - share)  # ∂σ(l)/∂l
            if price is None:
                # The price starts where it is felt: at the size of the first gradients.
                price = float(pull.abs().mean() / slope.mean()) or 1.0
            logits.grad = pull + price * slope  # ∂loss/∂l
            optimiser.step()
            course = wanted[-1] ** ((step + 1) / self.steps)  # falls geometrically from 1
            price *= math.exp(STEERING * (float(share.mean()) - course))
            while len(found) < len(wanted) and course <= wanted[len(found)] * (1 + 1e-9):
                density = wanted[len(found)]
                found[density] = masked.named(_best(logits.detach(), density))
            if progress is not None:
                progress(1)
        agreement = {density: masked.agreement(masks, sequences) for density, masks in found.items()}
        return FoundMasks(masks=found, agreement=agreement)

    def _draws(self, count: int) -> Iterator[list[int]]:
        generator = torch.Generator().manual_seed(self.seed)
        yield from islice(epochs(count, self.probes, generator), self.steps)


def agreement(loaded: LoadedModel, masks: Masks, sequences: Sequence[TokenSequence]) -> float:
    """Return the share of the answers' tokens that a model predicts as before with only the masked weights left."""
    return _MaskedModel(loaded).agreement(masks, sequences)


class _MaskedModel:
    """A model whose block weights are multiplied by a mask, side by side in one vector."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.weights: list[BlockWeight] = block_weights(loaded.model)
        self.sizes = [weight.size for weight in self.weights]
        self.size = sum(self.sizes)
        self.parameters = [loaded.model.get_parameter(weight.name).detach() for weight in self.weights]
        self.prefix = f"{loaded.model.base_model_prefix}."

    def cross_entropy(self, mask: Float[Tensor, " weights"], batch: MarkedBatch) -> Float[Tensor, ""]:
        """Return the masked model's mean CE against the whole one's argmax on marked tokens, in nats/token."""
        with torch.no_grad():
            best = self._logits(None, batch).argmax(1)
        return nn.functional.cross_entropy(self._logits(mask, batch), best)

    @torch.no_grad()
    def agreement(self, masks: Masks, sequences: Sequence[TokenSequence]) -> float:
        """Return the share of the marked tokens for which the masked model's argmax is the whole one's."""
        parts = [
            masks[w.name].flatten() if w.name in masks else torch.zeros(w.size, dtype=torch.bool)
            for w in self.weights
        ]
        mask = torch.cat(parts).to(self.loaded.device)
        same, total = 0, 0
        for batch in batches(sequences, pad=self.loaded.pad_id, device=self.loaded.device):
            chosen = [self._logits(m, batch).argmax(1) for m in (None, mask.float())]
            same += int((chosen[0] == chosen[1]).sum())
            total += len(batch.targets)
        return same / max(1, total)

    def named(self, mask: Bool[Tensor, " weights"]) -> dict[str, Bool[Tensor, "..."]]:
        """Split a mask by parameter name, on the CPU."""
        parts = mask.cpu().split(self.sizes)  # type: ignore[no-untyped-call]
        return {w.name: part.view(w.shape) for w, part in zip(self.weights, parts, strict=True)}

    def _logits(
        self, mask: Float[Tensor, " weights"] | None, batch: MarkedBatch
    ) -> Float[Tensor, "marked vocabulary"]:
        model: Any = self.loaded.model
        inputs = {**batch.inputs, "use_cache": False}
        if mask is None:
            hidden = model.base_model(**inputs).last_hidden_state
        else:
            parts = mask.split(self.sizes)  # type: ignore[no-untyped-call]
            changed = {
                weight.name.removeprefix(self.prefix): (parameter * part.view(weight.shape)).to(
                    parameter.dtype
                )
                for weight, parameter, part in zip(self.weights, self.parameters, parts, strict=True)
            }
            hidden = torch.func.functional_call(
                model.base_model, changed, args=(), kwargs=inputs
            ).last_hidden_state
        return output_logits(model, hidden[batch.predicting])


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Draw logistic noise: the difference of two Gumbel variables."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return torch.logit(uniform, eps=1e-7)


def _best(logits: Float[Tensor, " weights"], density: float) -> Bool[Tensor, " weights"]:
    """Return a mask of the share of highest logits, exact to the weight; of equal ones the first."""
    mask = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    mask[logits.argsort(descending=True, stable=True)[: round(density * len(logits))]] = True
    return mask
