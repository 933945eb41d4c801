"""Entropy of hidden states, read by a dictionary: how many bits say which features are on (Cho et al. 2025).

For features that are on with probabilities p_j, H = Σ_j -[p_j log₂ p_j + (1 - p_j) log₂(1 - p_j)] is the entropy
of the pattern were they independent, and so an upper bound on it. The binary autoencoder is trained to make it
small at the reconstruction it gives; of other dictionaries it is the entropy of what is on, whatever its strength.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dictionaries.dictionary import Dictionary
from dictionaries.model.activations import harvest
from dictionaries.model.sites import Site, input_device
from dictionaries.model.splice import Progress, watched
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError

GROUPS = 64
"""Number of groups of documents that the bootstrap draws: tokens of one document belong together."""
POSITION_BINS = 16
CONFIDENCE = 0.95


class EntropyRow(NamedTuple):
    """The entropy of one set of tokens.

    Attributes:
        series: name that the rows of one line in a figure share: a stream, or a site.
        at: the layer, or the mean position of the tokens in the model's input, from 0.
        bits: H, in bits. With few tokens it is too low: a feature not seen on adds nothing.
        low: lower end of the 95% interval of H.
        high: upper end of the 95% interval of H.
        tokens: number of tokens.
    """

    series: str
    at: float
    bits: float
    low: float
    high: float
    tokens: int


class HiddenEntropy(NamedTuple):
    """Entropies by layer, over all tokens, and by position in the model's input, for each site."""

    by_layer: tuple[EntropyRow, ...]
    by_position: tuple[EntropyRow, ...]


class _Counts:
    """Counts of how often each feature is on, by group of documents and bin of positions."""

    def __init__(self, features: int, device: torch.device) -> None:
        self.fired = torch.zeros(POSITION_BINS * GROUPS, features, dtype=torch.int32, device=device)
        self.tokens = torch.zeros(POSITION_BINS * GROUPS, dtype=torch.long, device=device)
        self.positions = torch.zeros(POSITION_BINS, dtype=torch.long, device=device)

    def add(
        self, codes: Float[Tensor, "n F"], position: Int[Tensor, "n"], group: Int[Tensor, "n"], width: int
    ) -> None:
        bins = (position // width).clamp_max(POSITION_BINS - 1)
        cells = bins * GROUPS + group
        self.fired.index_add_(0, cells, (codes > 0).int())
        self.tokens += torch.bincount(cells, minlength=len(self.tokens))
        self.positions.index_add_(0, bins, position)


@torch.no_grad()
def hidden_entropy(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    dictionaries: Mapping[Site, Dictionary],
    *,
    context: int,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> HiddenEntropy:
    """Measure entropy by layer and by position, with basic bootstrap intervals over groups of documents.

    An interval is [2H - q_high, 2H - q_low] with the quantiles q of H over draws of groups with replacement: it
    moves up where few tokens make H too low, as the draws show that they do.

    Args:
        model: a causal language model in evaluation mode; the dictionaries are moved to its device.
        batches: token batches, iterated once.
        dictionaries: dictionaries by site.
        context: largest number of tokens per row; divided into 16 bins of positions.
        draws: number of bootstrap draws.
        seed: seed of the draws.
        progress: callback after each batch.

    Raises:
        DictionaryError: no token counts.
    """
    device = input_device(model)
    counts = {site: _Counts(one.to(device).config.features, device) for site, one in dictionaries.items()}
    width = max(1, math.ceil(context / POSITION_BINS))
    for piece in harvest(model, watched(batches, "activations", progress), sorted(dictionaries)):
        rows, position = piece.kept.nonzero(as_tuple=True)
        group = piece.batch.documents[rows] % GROUPS
        for site, count in counts.items():
            count.add(dictionaries[site].encode(piece.activations[site]), position, group, width)
    if not any(int(count.tokens.sum()) for count in counts.values()):
        raise DictionaryError("There is not one token to read", "Give a corpus with text")
    by_layer, by_position = [], []
    for site, count in sorted(counts.items()):
        fired = count.fired.view(POSITION_BINS, GROUPS, -1).double().cpu()
        tokens = count.tokens.view(POSITION_BINS, GROUPS).double().cpu()
        by_layer.append(entropy_row(site.stream, site.layer, fired.sum(0), tokens.sum(0), draws, seed))
        for index in tokens.sum(dim=1).nonzero().flatten().tolist():
            at = int(count.positions[index]) / float(tokens[index].sum())
            by_position.append(entropy_row(str(site), at, fired[index], tokens[index], draws, seed))
    return HiddenEntropy(tuple(by_layer), tuple(by_position))


def pattern_entropy(frequencies: Float[Tensor, "*draws F"]) -> Float[Tensor, "*draws"]:
    """Return H = Σ_j -[p_j log₂ p_j + (1 - p_j) log₂(1 - p_j)], in bits.

    Args:
        frequencies: (…, F) p_j, the share of tokens on which each feature is on.
    """
    p = frequencies
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum(dim=-1) / math.log(2)


def entropy_row(
    series: str,
    at: float,
    fired: Float[Tensor, "groups F"],
    tokens: Float[Tensor, "groups"],
    draws: int,
    seed: int,
) -> EntropyRow:
    """Return one row with its 95% interval; groups without a token are not drawn.

    Args:
        series: name of the line in a figure.
        at: the layer or the position.
        fired: (groups, F) number of tokens on which each feature is on.
        tokens: (groups) number of tokens.
        draws: number of bootstrap draws.
        seed: seed of the draws.
    """
    filled = tokens > 0
    fired, tokens = fired[filled], tokens[filled]
    bits = float(pattern_entropy(fired.sum(0) / tokens.sum()))  # H
    count = len(tokens)
    # By hand: scipy's bootstrap would copy the groups' counts for every draw, and weights are one product.
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=draws)
    sampled = [
        pattern_entropy((weights @ fired) / (weights @ tokens)[:, None])
        for weights in torch.split(torch.from_numpy(drawn).double(), 100)
    ]
    tail = (1 - CONFIDENCE) / 2
    low, high = torch.cat(sampled).quantile(torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    # [2H - q_high, 2H - q_low]; an entropy is not negative
    return EntropyRow(series, at, bits, max(0.0, 2 * bits - high), 2 * bits - low, int(tokens.sum()))
