"""Integrated gradients of a token's probability over the MLP neurons of every layer.

With w̄ the neurons of one layer (inputs of the MLP's output projection) where the token y is predicted, and P(y | w)
its probability when they are set to w there and nothing else is touched,

    score_j = w̄_j / m Σ_{k=1..m} ∂P(y | w) / ∂w_j  at  w = (k/m) w̄,

the attribution of Dai et al. (2022, arXiv:2104.08696), which Wu et al. (2023, arXiv:2310.20138) sum over the tokens of
a secret. In the limit of m a layer's scores sum to P(y | w̄) - P(y | 0), its effect: `completeness`.

Only one position changes and only its own prediction is read, so the tokens before it are run once and kept as keys
and values. The position itself is run as a row that grows into many: each layer adds a row a step, copies of the first
one, whose neurons a hook sets. What lies below a layer is computed once for all of its steps, and no gradient goes
there. Rows stand where a sequence has its tokens, so that all of them share the keys before the position; a mask lets
each see those and itself. A batch holds several positions, padded on the left as in generation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from dictionaries.model.sites import Site, capture, decoder_layers, intercepted
from editor.model.forward import keeping, output_logits
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence

ELEMENTS = 2**27
"""Floats that one batch of rows may hold on to for its backward pass, roughly: 512 MiB in float32."""
KEPT_A_NEURON = 6
"""Floats kept for each neuron of each layer in a row: a gated MLP's products and the attention beside it."""
WIDTH_A_HEAD = 16
"""Neurons for each attention head, at the least: attention keeps a score for each head, row and key."""


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
    ids = torch.tensor(sequence.ids, device=loaded.device)
    places = [place - 1 for place, mark in enumerate(sequence.marked) if mark]
    # Without a configuration every layer keeps all keys, so that they can be cut back behind a sliding window too.
    cache = DynamicCache()
    with torch.no_grad(), capture(model, sites, keys=False) as taken:
        model.base_model(input_ids=ids[None, : max(places) + 1], **keeping(model, cache))
    clean = {site: taken.outputs[site][0] for site in sites}
    scores = {site: torch.zeros(x.shape[-1], dtype=_working(x), device=x.device) for site, x in clean.items()}
    effects = dict.fromkeys(sites, 0.0)
    with _growing(model, sites) as rows:
        for some, group in _groups(clean, places, len(points)):
            path = _Path(model, ids, some, points, rows)
            found = path.gradients({site: clean[site][some] for site in group}, cache)
            for site, (gradient, effect) in found.items():
                scores[site] += (gradient * clean[site][some].to(gradient.dtype)).sum(0)
                effects[site] += effect
    return NeuronScores(
        scores={site: score.cpu() for site, score in scores.items()}, effects=effects, tokens=len(places)
    )


def _working(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _groups(
    clean: Mapping[Site, Tensor], places: Sequence[int], steps: int
) -> Iterator[tuple[list[int], list[Site]]]:
    """Positions and sites whose rows go through the model together: as many as fit into `ELEMENTS`."""
    width, sites = max(x.shape[-1] for x in clean.values()), list(clean)
    rows = (steps + 1) * len(sites)
    each = rows * (KEPT_A_NEURON * width + (max(places) + rows) * width // WIDTH_A_HEAD)
    size = max(1, ELEMENTS // each)
    together = max(1, size // len(sites))
    for place in range(0, len(places), together):
        for first in range(0, len(sites), size):
            yield list(places[place : place + together]), sites[first : first + size]


@dataclass(frozen=True)
class _Path:
    """From zero to the clean neurons, at positions that predict a token each.

    Attributes:
        model: as it is.
        ids: of the sequence.
        places: the positions.
        points: where on the path gradients are taken.
        rows: the hooks.
    """

    model: Any
    ids: Tensor
    places: Sequence[int]
    points: Sequence[float]
    rows: "_Rows"

    def gradients(
        self, clean: Mapping[Site, Float[Tensor, "places m"]], cache: Any
    ) -> dict[Site, tuple[Float[Tensor, "places m"], float]]:
        """The mean gradients along each site's paths, and what probabilities fall by at their beginnings, summed.

        Args:
            clean: neurons by site, shallowest first.
            cache: keys and values of the sequence, up to the last position at least.
        """
        # The path's beginning is there for the effect alone.
        shares = torch.tensor([0.0, *self.points], dtype=torch.float64)
        self.rows.leaves = leaves = {
            site: (shares.to(x)[:, None] * x[:, None]).detach().requires_grad_() for site, x in clean.items()
        }
        with torch.enable_grad():
            probability = self._probability(cache)
            found = torch.autograd.grad(probability.sum(), list(leaves.values()))
        values = probability.detach()
        ends = values[:, 1 :: len(shares)].T
        return {
            site: (gradient[:, 1:].to(_working(gradient)).mean(1), float((values[:, 0] - end).sum()))
            for site, gradient, end in zip(leaves, found, ends, strict=True)
        }

    def _probability(self, cache: Any) -> Float[Tensor, "places rows"]:
        """Of the token behind each position."""
        places = torch.tensor(self.places, device=self.ids.device)
        longest = int(places.max())
        self.rows.kept = longest
        padded = torch.arange(longest + 1, device=places.device) >= longest - places[:, None]
        hidden = self.model.base_model(
            input_ids=self.ids[places, None],
            attention_mask=padded.long(),
            position_ids=places[:, None],
            **keeping(self.model, self._before(cache, longest)),
        ).last_hidden_state
        # GPT-2 gives its output the shape of its input, and makes a batch of rows.
        hidden = hidden.reshape(len(places), -1, hidden.shape[-1])
        probabilities = output_logits(self.model, hidden).softmax(-1)
        targets = self.ids[places + 1][:, None, None].expand(-1, hidden.shape[1], -1)
        return probabilities.gather(2, targets)[..., 0]

    def _before(self, cache: Any, longest: int) -> Any:
        """Keys and values before each position, padded on the left."""
        from transformers import DynamicCache

        before = DynamicCache()
        for number, layer in enumerate(cache):
            keys, values = (
                torch.cat([pad(x[:, :, :place], (0, 0, longest - place, 0)) for place in self.places])
                for x in layer[:2]
            )
            before.update(keys, values, number)
        return before


@dataclass
class _Rows:
    """Hooks that let a position's rows grow from layer to layer.

    Attributes:
        leaves: the neurons of the rows that each site's layer adds; sites without any add none.
        kept: keys before the position.
    """

    leaves: Mapping[Site, Float[Tensor, "places rows m"]] = field(default_factory=dict)
    kept: int = 0

    def grow(self, layer: int) -> Callable[..., Any]:
        """A hook that adds copies of the first row, which no leaf has touched, to what enters a layer."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if not self.leaves:
                return None
            given = signature(module.forward).bind(*args, **kwargs)
            hidden = given.arguments["hidden_states"]
            first = hidden[:, :1].detach()
            added = [
                first.expand(-1, leaf.shape[1], -1)
                for site, leaf in self.leaves.items()
                if site.layer == layer
            ]
            given.arguments["hidden_states"] = hidden = torch.cat([hidden, *added], 1)
            given.arguments["attention_mask"] = self._mask(given.arguments.get("attention_mask"), hidden)
            return given.args, given.kwargs

        return hook

    def set(self, site: Site) -> Callable[[Tensor], Tensor]:
        """What sets the neurons of the rows that a site's layer added last."""

        def change(neurons: Tensor) -> Tensor:
            if (leaf := self.leaves.get(site)) is None:
                return neurons
            own = neurons.view(len(leaf), -1, neurons.shape[-1])[:, : -leaf.shape[1]]
            return torch.cat([own, leaf.to(neurons.dtype)], 1).view_as(neurons)

        return change

    def _mask(self, given: Tensor | None, hidden: Tensor) -> Float[Tensor, "places 1 rows keys"]:
        """The first row's mask of the keys before the position for all rows, each of which sees itself besides.

        True is what a row sees, or 0 where the model adds its mask to scores.
        """
        places, rows = hidden.shape[:2]
        own = torch.eye(rows, dtype=torch.bool, device=hidden.device).expand(places, 1, -1, -1)
        if given is None:
            return torch.cat([own.new_ones(places, 1, rows, self.kept), own], -1)
        if given.dtype != torch.bool:
            hides = torch.finfo(given.dtype).min
            own = torch.zeros(own.shape, dtype=given.dtype, device=own.device).masked_fill(~own, hides)
        return torch.cat([given[..., -1:, : self.kept].expand(places, -1, rows, -1), own], -1)


@contextmanager
def _growing(model: Any, sites: Sequence[Site]) -> Iterator[_Rows]:
    """Hooks for all layers inside the `with` block."""
    rows = _Rows()
    with ExitStack() as hooks:
        for number, layer in enumerate(decoder_layers(model)):
            hooks.callback(layer.register_forward_pre_hook(rows.grow(number), with_kwargs=True).remove)
        for site in sites:
            hooks.enter_context(intercepted(model, site, rows.set(site)))
        yield rows
