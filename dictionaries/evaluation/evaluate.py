"""One streaming evaluator for all architectures."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.dictionary import Dictionary
from dictionaries.evaluation.tree_entropy import PairCounts
from dictionaries.model.activations import Tally, harvest
from dictionaries.model.sites import Site, input_device
from dictionaries.model.splice import CrossEntropy, Key, Progress, ratio, splicing_costs, watched
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError

DENSITY_EDGES = tuple(10 ** (exponent / 4) for exponent in range(-24, 1))
COSINE_ROWS = 2048
MOST_PAIRED = 8192
"""Largest number of features whose pairs are counted: F² int32 counts, here 256 MiB."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well one dictionary stands for one site.

    Attributes:
        site: the site that the dictionary reads.
        architecture: name of the dictionary's architecture.
        features: F, the number of features.
        tokens: number of activations evaluated.
        sinks: number of activations left out for their norm at this site.
        explained_variance: 1 - E‖x - x̂‖² / (E‖x‖² - ‖E x‖²), sums in float64 over all tokens.
        gamma: E‖x̂‖² / E⟨x, x̂⟩. 1 is unbiased, below 1 is shrinkage.
        l0: mean number of features on per token.
        alive: number of features on at least once.
        denser_than_1_percent: share of features on for more than 1% of the tokens.
        denser_than_10_percent: share of features on for more than 10% of the tokens.
        density_counts: number of features by the share of tokens they are on for, between two of `DENSITY_EDGES`
            each; those on for fewer than a millionth are in the first, those never on in none.
        entropy_bits: Σ_j -[p_j log₂ p_j + (1 - p_j) log₂(1 - p_j)], p_j the share of tokens on which j is on: the
            entropy of which features are on, were they independent, and so its upper bound.
        tree_bits: that entropy less the information between bits along the best tree (Chow and Liu 1968), in bits:
            an upper bound too, which counts a copied bit once. None but for binary dictionaries of up to 8,192
            features.
        absorbed_cosine: mean over features on at least once of the largest cosine of a feature's direction with
            that of another: the nearer to 1, the more features share what one could say (split or absorbed).
        cross_entropy: cost of splicing to the model, or None where it was not asked for.
    """

    site: Site
    architecture: str
    features: int
    tokens: int
    sinks: int
    explained_variance: float
    gamma: float
    l0: float
    alive: int
    denser_than_1_percent: float
    denser_than_10_percent: float
    density_counts: tuple[int, ...]
    entropy_bits: float
    tree_bits: float | None
    absorbed_cosine: float
    cross_entropy: CrossEntropy | None = None


class Accumulator:
    """Sums over tokens for one dictionary, in float64 on its device.

    Args:
        dictionary: the dictionary, on the device of the activations.
        pairs: whether to count, too, how often each two features are on together.
    """

    def __init__(self, dictionary: Dictionary, *, pairs: bool = False) -> None:
        self.dictionary = dictionary
        device = dictionary.W_enc.device
        self.pairs = PairCounts(dictionary.config.features, device) if pairs else None
        self.tokens = 0
        self.mean_sum = torch.zeros(dictionary.config.width, dtype=torch.float64, device=device)
        self.fired = torch.zeros(dictionary.config.features, dtype=torch.long, device=device)
        self.code_sum = torch.zeros(dictionary.config.features, dtype=torch.float64, device=device)
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # ‖x‖², ‖x-x̂‖², ‖x̂‖², ⟨x,x̂⟩

    @torch.no_grad()
    def add(self, x: Float[Tensor, "tokens d"]) -> None:
        """Add a batch of raw activations."""
        codes = self.dictionary.encode(x)
        # Squares of differences cancel: take them in float64 as well as their sum.
        x, decoded = x.double(), self.dictionary.decode(codes, x).double()
        pairs = ((x, x), (x - decoded, x - decoded), (decoded, decoded), (x, decoded))
        self._sums += torch.stack([torch.dot(a.flatten(), b.flatten()) for a, b in pairs])
        self.mean_sum += x.sum(dim=0)
        self.fired += (codes > 0).sum(dim=0)
        self.code_sum += codes.sum(dim=0, dtype=torch.float64)
        self.tokens += len(x)
        if self.pairs is not None:
            self.pairs.add(codes)

    def gather(self, total: Callable[[Tensor], Tensor]) -> None:
        """Add up what several processes counted; `total` returns a tensor's sum over them."""
        for name in ("mean_sum", "fired", "code_sum", "_sums"):
            setattr(self, name, total(getattr(self, name)))
        self.tokens = int(total(torch.tensor(self.tokens, device=self.fired.device)))

    @property
    def mean(self) -> Float[Tensor, "d"]:
        """The mean activation E x, in float32."""
        return (self.mean_sum / self.tokens).float()

    @property
    def mean_codes(self) -> Float[Tensor, "F"]:
        """The mean features E f, in float32."""
        return (self.code_sum / self.tokens).float()

    @property
    def explained_variance(self) -> float:
        """1 - E‖x - x̂‖² / (E‖x‖² - ‖E x‖²)."""
        square, error, _, _ = (self._sums / self.tokens).tolist()  # E‖x‖², E‖x - x̂‖²
        mean = self.mean_sum / self.tokens  # E x
        return 1 - ratio(error, square - float(mean.square().sum()))

    @property
    def gamma(self) -> float:
        """E‖x̂‖² / E⟨x, x̂⟩: 1 is unbiased, below 1 is shrinkage."""
        _, _, decoded, inner = self._sums.tolist()  # Σ‖x̂‖², Σ⟨x, x̂⟩
        return ratio(decoded, inner)

    @property
    def l0(self) -> float:
        """The mean number of features on per token."""
        return int(self.fired.sum()) / self.tokens

    @property
    def alive(self) -> int:
        """The number of features on at least once."""
        return int(torch.count_nonzero(self.fired))

    def denser_than(self, share: float) -> float:
        """Return the share of features that are on for more than this share of the tokens."""
        return float((self.densities > share).double().mean())

    @property
    def densities(self) -> Float[Tensor, "F"]:
        """The share of tokens on which each feature is on, in float64."""
        return self.fired.double() / self.tokens

    @property
    def density_counts(self) -> tuple[int, ...]:
        """The number of features by density, as in `Evaluation`."""
        on = self.densities[self.fired > 0].clamp_min(DENSITY_EDGES[0]).cpu()
        edges = torch.tensor(DENSITY_EDGES[1:-1], dtype=torch.float64)
        places = torch.bucketize(on, edges, right=True)
        return tuple(torch.bincount(places, minlength=len(DENSITY_EDGES) - 1).tolist())

    @property
    def entropy_bits(self) -> float:
        """Σ_j -[p_j log₂ p_j + (1 - p_j) log₂(1 - p_j)], in bits."""
        p = self.densities  # p_j
        return float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum()) / math.log(2)

    @property
    def tree_bits(self) -> float | None:
        """The entropy along the best tree in bits, as in `Evaluation`; None where pairs were not counted."""
        return self.pairs.tree_bits() if self.pairs is not None else None


def evaluate_dictionaries(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    dictionaries: Mapping[Key, Dictionary],
    *,
    cross_entropy: bool = True,
    progress: Progress | None = None,
) -> dict[Key, Evaluation]:
    """Evaluate dictionaries on documents that training did not see, all of them from the same model passes.

    Args:
        model: a causal language model in evaluation mode; the dictionaries are moved to its device.
        batches: token batches, iterated once for the activations and once for the cross-entropies.
        dictionaries: dictionaries by any name, such as their sites; several may be of one site.
        cross_entropy: whether to splice reconstructions into the model too: 1 + dictionaries + 2·sites model passes
            more.
        progress: callback after each batch.

    Raises:
        DictionaryError: no token counts.
    """
    listed = batches if not isinstance(batches, Iterator) else list(batches)
    device = input_device(model)
    sites = sorted({one.config.site for one in dictionaries.values()})
    totals = {key: Accumulator(one.to(device), pairs=_counts_pairs(one)) for key, one in dictionaries.items()}
    tally = Tally()
    for piece in harvest(model, watched(listed, "activations", progress), sites, tally):
        for total in totals.values():
            total.add(piece.activations[total.dictionary.config.site])
    if not tally.tokens:
        raise DictionaryError("There is not one token to evaluate on", "Give a corpus with text")
    costs: dict[Key, CrossEntropy] = {}
    if cross_entropy:
        means = {total.dictionary.config.site: total.mean for total in totals.values()}
        placed = {key: (one.config.site, one) for key, one in dictionaries.items()}
        costs = splicing_costs(model, listed, placed, means, progress)
    return {
        key: Evaluation(
            site=total.dictionary.config.site,
            architecture=total.dictionary.architecture,
            features=total.dictionary.config.features,
            tokens=total.tokens,
            sinks=tally.sinks[total.dictionary.config.site],
            explained_variance=total.explained_variance,
            gamma=total.gamma,
            l0=total.l0,
            alive=total.alive,
            denser_than_1_percent=total.denser_than(0.01),
            denser_than_10_percent=total.denser_than(0.10),
            density_counts=total.density_counts,
            entropy_bits=total.entropy_bits,
            tree_bits=total.tree_bits,
            absorbed_cosine=absorbed_cosine(total.dictionary.directions, total.fired > 0),
            cross_entropy=costs.get(key),
        )
        for key, total in totals.items()
    }


@torch.no_grad()
def absorbed_cosine(directions: Float[Tensor, "F d"], alive: Bool[Tensor, "F"]) -> float:
    """Return the mean over living features of the largest cosine with another; NaN for fewer than two.

    Args:
        directions: (F, d) directions of the features, in any units.
        alive: (F) mask of the features on at least once.
    """
    rows = nn.functional.normalize(directions[alive].float(), dim=1)
    if len(rows) < 2:
        return math.nan
    total = 0.0
    for start in range(0, len(rows), COSINE_ROWS):
        cosines = rows[start : start + COSINE_ROWS] @ rows.T
        cosines.diagonal(offset=start).fill_(-1.0)
        total += float(cosines.amax(dim=1).sum(dtype=torch.float64))
    return total / len(rows)


def _counts_pairs(dictionary: Dictionary) -> bool:
    # Other architectures are on to a degree, which pairs of on and off say nothing of; counting costs F² per token.
    return dictionary.architecture == "binary" and dictionary.config.features <= MOST_PAIRED
