"""Integrated gradients of a token's probability over the MLP neurons of every layer.

With w̄ the neurons of one layer (inputs of the MLP's output projection) where the token y is predicted, and P(y | w)
its probability when they are set to w there and nothing else is touched,

    score_j = w̄_j / m Σ_{k=1..m} ∂P(y | w) / ∂w_j  at  w = (k/m) w̄,

the attribution of Dai et al. (2022, arXiv:2104.08696), which Wu et al. (2023, arXiv:2310.20138) sum over the tokens of
a secret. In the limit of m a layer's scores sum to P(y | w̄) - P(y | 0), its effect: `completeness`.

Only one position changes and only its own prediction is read, so the tokens before it are run once and kept as keys
and values. Each layer and step is then one row, of one token, in a common batch: a hook sets the neurons of a layer in
the rows of that layer alone.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture, decoder_layers, intercepted
from editor.forward import output_logits
from editor.model import LoadedModel
from editor.tokens import TokenSequence

ELEMENTS = 2**27
"""Floats that one batch of rows may hold on to for its backward pass, roughly: 512 MiB in float32."""
KEPT_A_NEURON = 6
"""Floats kept for each neuron of each layer in a row: a gated MLP's products and the attention beside it."""


@dataclass(frozen=True, kw_only=True)
class NeuronScores:
    """Scores of one sequence's marked tokens, summed over them.

    Attributes:
        scores: site -> (m,).
        effects: site -> Σ P(y | w̄) - P(y | 0), the probability that the layer's neurons carry.
        tokens: how many tokens were summed.
    """

    scores: Mapping[Site, Float[Tensor, " m"]] = field(repr=False)
    effects: Mapping[Site, float] = field(repr=False)
    tokens: int

    @property
    def completeness(self) -> dict[Site, float]:
        """Sum of a layer's scores over its effect; 1 is complete."""
        return {
            site: float(score.sum()) / self.effects[site] if self.effects[site] else 0.0
            for site, score in self.scores.items()
        }


def neuron_sites(model: Any) -> list[Site]:
    """The neurons of every layer, shallowest first."""
    return [Site(layer, "mlp_hidden") for layer in range(len(decoder_layers(model)))]


def score_neurons(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    *,
    steps: int = 20,
    sites: Sequence[Site] | None = None,
) -> Iterator[NeuronScores]:
    """Yield the scores of every neuron for one sequence after another.

    Args:
        loaded: the model; left as it was.
        sequences: prompts with marked answers.
        steps: m.
        sites: neurons of which layers; all by default.
    """
    found = neuron_sites(loaded.model) if sites is None else list(sites)
    for sequence in sequences:
        yield _score(loaded, sequence, steps, found)


def _score(loaded: LoadedModel, sequence: TokenSequence, steps: int, sites: Sequence[Site]) -> NeuronScores:
    from transformers import DynamicCache

    model, device = loaded.model, loaded.device
    ids = torch.tensor([sequence.ids], device=device)
    places = [place - 1 for place, mark in enumerate(sequence.marked) if mark]
    # Without a configuration every layer keeps all keys, so that they can be cut back behind a sliding window too.
    cache = DynamicCache()
    with torch.no_grad(), capture(model, sites, keys=False) as taken:
        model.base_model(input_ids=ids[:, : max(places) + 1], past_key_values=cache, use_cache=True)
    clean = {site: taken.outputs[site][0] for site in sites}
    scores = {site: torch.zeros(x.shape[-1], dtype=_working(x), device=x.device) for site, x in clean.items()}
    effects = dict.fromkeys(sites, 0.0)
    for place in places:
        paths = {site: x[place] for site, x in clean.items()}
        for group in _groups(paths, steps, place):
            path = _Path(model, ids[0, place], int(ids[0, place + 1]), _kept(cache, place))
            for site, (gradient, effect) in path.gradients(
                {site: paths[site] for site in group}, steps
            ).items():
                scores[site] += gradient * paths[site].to(gradient.dtype)
                effects[site] += effect
    return NeuronScores(
        scores={site: score.cpu() for site, score in scores.items()}, effects=effects, tokens=len(places)
    )


def _working(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _groups(paths: Mapping[Site, Tensor], steps: int, kept: int) -> Iterator[list[Site]]:
    """Sites whose rows go through the model together: as many as fit into `ELEMENTS`."""
    width = max(len(x) for x in paths.values())
    each = (steps + 1) * len(paths) * (KEPT_A_NEURON * width + kept * width // 2)
    size = max(1, ELEMENTS // each)
    sites = list(paths)
    for first in range(0, len(sites), size):
        yield sites[first : first + size]


def _kept(cache: Any, length: int) -> Any | None:
    """A copy of the first keys and values; None where there are none to keep."""
    if length == 0:
        return None
    kept = copy.deepcopy(cache)
    if (excess := kept.get_seq_length() - length) > 0:
        kept.crop(-excess)
    return kept


@dataclass(frozen=True)
class _Path:
    """From zero to the clean neurons, at the one position that predicts a token.

    Attributes:
        model: as it is.
        token: the token at that position.
        target: the token that it predicts.
        cache: keys and values of what stands before it, or None. Used up by `gradients`.
    """

    model: Any
    token: Tensor
    target: int
    cache: Any | None

    def gradients(
        self, clean: Mapping[Site, Float[Tensor, " m"]], steps: int
    ) -> dict[Site, tuple[Float[Tensor, " m"], float]]:
        """The mean gradient along each site's path, and what the probability falls by at its beginning."""
        rows = steps + 1
        # k = 0 is there for the effect alone: Dai's sum begins behind it.
        shares = torch.arange(rows, device=self.token.device) / steps
        leaves = {site: (shares.to(x)[:, None] * x).detach().requires_grad_() for site, x in clean.items()}
        with torch.enable_grad(), ExitStack() as hooks:
            for number, (site, leaf) in enumerate(leaves.items()):
                hooks.enter_context(intercepted(self.model, site, _Setting(leaf, number * rows)))
            probability = self._probability(rows * len(leaves))
            found = torch.autograd.grad(probability.sum(), list(leaves.values()))
        values = probability.detach().view(len(leaves), rows)
        return {
            site: (gradient[1:].to(_working(gradient)).mean(0), float(value[-1] - value[0]))
            for site, gradient, value in zip(leaves, found, values, strict=True)
        }

    def _probability(self, rows: int) -> Float[Tensor, " rows"]:
        kept = {}
        if self.cache is not None:
            self.cache.batch_repeat_interleave(rows)
            kept = {"past_key_values": self.cache}
        tokens = self.token.expand(rows, 1)
        hidden = self.model.base_model(input_ids=tokens, use_cache=bool(kept), **kept).last_hidden_state
        return output_logits(self.model, hidden[:, -1]).softmax(1)[:, self.target]


@dataclass(frozen=True)
class _Setting:
    """Sets one layer's neurons in its own rows."""

    leaf: Float[Tensor, "rows m"]
    first: int

    def __call__(self, neurons: Tensor) -> Tensor:
        last = self.first + len(self.leaf)
        own = self.leaf.to(neurons.dtype).view(len(self.leaf), *neurons.shape[1:])
        return torch.cat([neurons[: self.first], own, neurons[last:]])
