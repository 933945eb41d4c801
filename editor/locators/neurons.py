"""Integrated gradients of a token's probability over the MLP neurons of every layer.

With w̄ the neurons of one layer (inputs of the MLP's output projection) where the token y is predicted, and P(y | w)
its probability when they are set to w there and nothing else is touched,

    score_j = w̄_j / m Σ_{k=1..m} ∂P(y | w) / ∂w_j  at  w = (k/m) w̄,

the attribution of Dai et al. (2022, arXiv:2104.08696), which Wu et al. (2023, arXiv:2310.20138) sum over the tokens of
a secret. In the limit of m a layer's scores sum to P(y | w̄) - P(y | 0), its effect: `completeness`.

Only one position changes and only its own prediction is read, so the tokens before it are run once and kept as keys
and values. The position itself is run as a batch that grows: it enters as one row, and each layer adds a row a step,
copies of the first one, whose neurons a hook sets. What lies below a layer is computed once for all of its steps, and
no gradient goes there.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture, decoder_layers, intercepted
from editor.model.forward import output_logits
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence

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
    def size(self) -> int:
        """How many scores there are."""
        return sum(len(score) for score in self.scores.values())

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
    points: Sequence[float] | None = None,
) -> Iterator[NeuronScores]:
    """Yield the scores of every neuron for one sequence after another.

    Args:
        loaded: the model; left as it was.
        sequences: prompts with marked answers.
        steps: m.
        sites: neurons of which layers; all by default.
        points: other places on the path than k/m, from 0 to 1, their gradients' mean being taken.
    """
    found = neuron_sites(loaded.model) if sites is None else sorted(sites)
    shares = [k / steps for k in range(1, steps + 1)] if points is None else list(points)
    for sequence in sequences:
        yield _score(loaded, sequence, shares, found)


def _score(
    loaded: LoadedModel, sequence: TokenSequence, points: Sequence[float], sites: Sequence[Site]
) -> NeuronScores:
    from transformers import DynamicCache

    model = loaded.model
    ids = torch.tensor([sequence.ids], device=loaded.device)
    places = [place - 1 for place, mark in enumerate(sequence.marked) if mark]
    # Without a configuration every layer keeps all keys, so that they can be cut back behind a sliding window too.
    cache = DynamicCache()
    with torch.no_grad(), capture(model, sites, keys=False) as taken:
        model.base_model(input_ids=ids[:, : max(places) + 1], past_key_values=cache, use_cache=True)
    clean = {site: taken.outputs[site][0] for site in sites}
    scores = {site: torch.zeros(x.shape[-1], dtype=_working(x), device=x.device) for site, x in clean.items()}
    effects = dict.fromkeys(sites, 0.0)
    with _growing(model, sites) as rows:
        for place in places:
            paths = {site: x[place] for site, x in clean.items()}
            path = _Path(model, ids[:, place : place + 1], int(ids[0, place + 1]), points, rows)
            for group in _groups(paths, len(points), place):
                found = path.gradients({site: paths[site] for site in group}, _first(cache, place))
                for site, (gradient, effect) in found.items():
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


Kept = list[tuple[Tensor, Tensor]]
"""Keys and values of each layer, (1, heads, positions, width)."""


def _first(cache: Any, length: int) -> Kept:
    """The first keys and values of every layer."""
    return [(layer[0][:, :, :length], layer[1][:, :, :length]) for layer in cache] if length else []


@dataclass(frozen=True)
class _Path:
    """From zero to the clean neurons, at the one position that predicts a token.

    Attributes:
        model: as it is.
        token: the token at that position, (1, 1).
        target: the token that it predicts.
        points: where on the path gradients are taken.
        rows: the sites' hooks.
    """

    model: Any
    token: Tensor
    target: int
    points: Sequence[float]
    rows: "Mapping[Site, _Rows]"

    def gradients(
        self, clean: Mapping[Site, Float[Tensor, " m"]], kept: Kept
    ) -> dict[Site, tuple[Float[Tensor, " m"], float]]:
        """The mean gradient along each site's path, and what the probability falls by at its beginning.

        Args:
            clean: neurons by site, shallowest first.
            kept: of the tokens before this one.
        """
        # The path's beginning is there for the effect alone.
        shares = torch.tensor([0.0, *self.points], dtype=torch.float64)
        leaves = {site: (shares.to(x)[:, None] * x).detach().requires_grad_() for site, x in clean.items()}
        for site, rows in self.rows.items():
            rows.leaf = leaves.get(site)
        with torch.enable_grad():
            probability = self._probability(self._repeated(kept, list(leaves)))
            found = torch.autograd.grad(probability.sum(), list(leaves.values()))
        values = probability.detach()
        ends = values[1:].view(len(leaves), len(shares))[:, 0]
        return {
            site: (gradient[1:].to(_working(gradient)).mean(0), float(values[0] - end))
            for site, gradient, end in zip(leaves, found, ends, strict=True)
        }

    def _repeated(self, kept: Kept, sites: Sequence[Site]) -> Any | None:
        """The kept keys and values for as many rows as each layer will have."""
        from transformers import DynamicCache

        if not kept:
            return None
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(kept):
            rows = 1 + (len(self.points) + 1) * sum(site.layer <= layer for site in sites)
            cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), layer)
        return cache

    def _probability(self, cache: Any | None) -> Float[Tensor, " rows"]:
        kept = {} if cache is None else {"past_key_values": cache}
        hidden = self.model.base_model(input_ids=self.token, use_cache=bool(kept), **kept).last_hidden_state
        return output_logits(self.model, hidden[:, -1]).softmax(1)[:, self.target]


@dataclass
class _Rows:
    """The hooks of one site: rows that its layer adds to the batch, and what their neurons are set to.

    Attributes:
        leaf: the neurons of those rows; None adds no row.
    """

    leaf: Float[Tensor, "rows m"] | None = None

    def grow(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add copies of the first row, which no leaf has touched, to what enters the layer."""
        if self.leaf is None:
            return None
        hidden = args[0] if args else kwargs["hidden_states"]
        grown = torch.cat([hidden, hidden[:1].detach().expand(len(self.leaf), *hidden.shape[1:])])
        return ((grown, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": grown})

    def set(self, neurons: Tensor) -> Tensor:
        """Set the neurons of the rows that were added last."""
        if self.leaf is None:
            return neurons
        own = self.leaf.to(neurons.dtype).view(len(self.leaf), *neurons.shape[1:])
        return torch.cat([neurons[: -len(self.leaf)], own])


@contextmanager
def _growing(model: Any, sites: Sequence[Site]) -> Iterator[dict[Site, _Rows]]:
    """Hooks for all sites inside the `with` block."""
    rows = {site: _Rows() for site in sites}
    layers = decoder_layers(model)
    with ExitStack() as hooks:
        for site, one in rows.items():
            hooks.callback(layers[site.layer].register_forward_pre_hook(one.grow, with_kwargs=True).remove)
            hooks.enter_context(intercepted(model, site, one.set))
        yield rows
