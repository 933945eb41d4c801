"""One streaming evaluator for all architectures."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.activations import Tally, harvest
from dictionaries.dictionary import Dictionary
from dictionaries.sites import Site, input_device, intercepted
from dictionaries.tokens import TokenBatch
from policies.errors import DictionaryError

Progress = Callable[[str, int, int | None], None]
Replacement = Callable[[Float[Tensor, "tokens d"]], Float[Tensor, "tokens d"]]


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """What the model's prediction loses when a site's activations are replaced, in nats a token.

    Activations are replaced at counted tokens (see `dictionaries.activations`) and left alone elsewhere.

    Attributes:
        clean: the model as it is.
        spliced: the dictionary's reconstruction in place of the activation.
        zero_ablated: 0 in its place.
        mean_ablated: its mean over the evaluated tokens in its place.
        targets: predicted tokens.
    """

    clean: float
    spliced: float
    zero_ablated: float
    mean_ablated: float
    targets: int

    @property
    def recovered_from_zero(self) -> float:
        """(zero - spliced) / (zero - clean): 1 is no loss, 0 is as bad as zero ablation."""
        return _ratio(self.zero_ablated - self.spliced, self.zero_ablated - self.clean)

    @property
    def recovered_from_mean(self) -> float:
        """(mean - spliced) / (mean - clean): the stricter of the two."""
        return _ratio(self.mean_ablated - self.spliced, self.mean_ablated - self.clean)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well one dictionary stands for one site.

    Attributes:
        site: the site.
        architecture: the dictionary's.
        features: F.
        tokens: activations evaluated.
        sinks: activations left out for their norm at this site.
        explained_variance: 1 - E‖x - x̂‖² / (E‖x‖² - ‖E x‖²), sums in float64 over all tokens.
        gamma: E‖x̂‖² / E⟨x, x̂⟩. 1 is unbiased, below 1 is shrinkage.
        l0: mean number of features on, a token.
        alive: features on at least once.
        denser_than_1_percent: share of features on for more than 1% of the tokens.
        denser_than_10_percent: share of features on for more than 10%.
        cross_entropy: what splicing costs the model, or None where it was not asked for.
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
    cross_entropy: CrossEntropy | None = None


class Accumulator:
    """Sums over tokens for one dictionary, in float64 on its device.

    Args:
        dictionary: the dictionary, on the device of the activations.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        device = dictionary.W_enc.device
        self.tokens = 0
        self.mean_sum = torch.zeros(dictionary.config.width, dtype=torch.float64, device=device)
        self.fired = torch.zeros(dictionary.config.features, dtype=torch.long, device=device)
        self.code_sum = torch.zeros(dictionary.config.features, dtype=torch.float64, device=device)
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)  # ‖x‖², ‖x-x̂‖², ‖x̂‖², ⟨x,x̂⟩

    @torch.no_grad()
    def add(self, x: Float[Tensor, "tokens d"]) -> None:
        """Count a batch of raw activations."""
        codes = self.dictionary.encode(x)
        # Squares of differences cancel: take them in float64 as well as their sum.
        x, decoded = x.double(), self.dictionary.decode(codes, x).double()
        pairs = ((x, x), (x - decoded, x - decoded), (decoded, decoded), (x, decoded))
        self._sums += torch.stack([torch.dot(a.flatten(), b.flatten()) for a, b in pairs])
        self.mean_sum += x.sum(dim=0)
        self.fired += (codes > 0).sum(dim=0)
        self.code_sum += codes.sum(dim=0, dtype=torch.float64)
        self.tokens += len(x)

    def gather(self, total: Callable[[Tensor], Tensor]) -> None:
        """Add up what several processes counted; `total` gives a tensor's sum over them."""
        for name in ("mean_sum", "fired", "code_sum", "_sums"):
            setattr(self, name, total(getattr(self, name)))
        self.tokens = int(total(torch.tensor(self.tokens, device=self.fired.device)))

    @property
    def mean(self) -> Float[Tensor, "d"]:
        """E x, in float32."""
        return (self.mean_sum / self.tokens).float()

    @property
    def mean_codes(self) -> Float[Tensor, "F"]:
        """E f, in float32."""
        return (self.code_sum / self.tokens).float()

    @property
    def explained_variance(self) -> float:
        """See `Evaluation`."""
        square, error, _, _ = (self._sums / self.tokens).tolist()
        mean = self.mean_sum / self.tokens
        return 1 - _ratio(error, square - float(mean.square().sum()))

    @property
    def gamma(self) -> float:
        """See `Evaluation`."""
        _, _, decoded, inner = self._sums.tolist()
        return _ratio(decoded, inner)

    @property
    def l0(self) -> float:
        """See `Evaluation`."""
        return int(self.fired.sum()) / self.tokens

    @property
    def alive(self) -> int:
        """See `Evaluation`."""
        return int(torch.count_nonzero(self.fired))

    def denser_than(self, share: float) -> float:
        """Share of features that are on for more than this share of the tokens."""
        return float((self.fired.double() / self.tokens > share).double().mean())


def evaluate_dictionaries(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    dictionaries: Mapping[Site, Dictionary],
    *,
    cross_entropy: bool = True,
    progress: Progress | None = None,
) -> dict[Site, Evaluation]:
    """Evaluate dictionaries on documents that training did not see, all of them from the same model passes.

    Args:
        model: in evaluation mode; the dictionaries are moved to its device.
        batches: token batches, iterated once for the activations and once for the cross-entropies.
        dictionaries: by site.
        cross_entropy: also splice reconstructions into the model: 1 + 3·sites model passes more.
        progress: called after each batch.

    Raises:
        DictionaryError: no token counts.
    """
    listed = batches if not isinstance(batches, Iterator) else list(batches)
    sites = sorted(dictionaries)
    device = input_device(model)
    accumulators = {site: Accumulator(dictionaries[site].to(device)) for site in sites}
    tally = Tally()
    for piece in harvest(model, _watched(listed, "activations", progress), sites, tally):
        for site in sites:
            accumulators[site].add(piece.activations[site])
    if not tally.tokens:
        raise DictionaryError("There is not one token to evaluate on", "Give a corpus with text")
    costs = _cross_entropies(model, listed, accumulators, progress) if cross_entropy else {}
    return {
        site: Evaluation(
            site=site,
            architecture=total.dictionary.architecture,
            features=total.dictionary.config.features,
            tokens=total.tokens,
            sinks=tally.sinks[site],
            explained_variance=total.explained_variance,
            gamma=total.gamma,
            l0=total.l0,
            alive=total.alive,
            denser_than_1_percent=total.denser_than(0.01),
            denser_than_10_percent=total.denser_than(0.10),
            cross_entropy=costs.get(site),
        )
        for site, total in accumulators.items()
    }


@contextmanager
def replaced(
    model: nn.Module, site: Site, replace: Replacement, where: Bool[Tensor, "batch sequence"]
) -> Iterator[None]:
    """Replace a site's activations at the marked tokens while the model runs inside the `with` block."""

    def change(output: Tensor) -> Tensor:
        changed = output.clone()
        shaped = changed.view(*where.shape, -1)
        at = where.to(output.device)
        shaped[at] = replace(shaped[at].to(where.device, torch.float32)).to(shaped)
        return changed

    with intercepted(model, site, change):
        yield


@torch.no_grad()
def _cross_entropies(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    accumulators: Mapping[Site, Accumulator],
    progress: Progress | None,
) -> dict[Site, CrossEntropy]:
    sums = {site: [0.0, 0.0, 0.0] for site in accumulators}
    clean, targets = 0.0, 0
    for piece in harvest(model, _watched(batches, "cross-entropy", progress), list(accumulators)):
        batch_clean, count = _nats(model, piece.batch)
        clean, targets = clean + batch_clean, targets + count
        for site, total in accumulators.items():
            replacements: tuple[Replacement, ...] = (total.dictionary, torch.zeros_like, total.mean.expand_as)
            for index, replacement in enumerate(replacements):
                with replaced(model, site, replacement, piece.kept):
                    sums[site][index] += _nats(model, piece.batch)[0]
    return {
        site: CrossEntropy(
            clean=_ratio(clean, targets),
            spliced=_ratio(spliced, targets),
            zero_ablated=_ratio(zero, targets),
            mean_ablated=_ratio(mean, targets),
            targets=targets,
        )
        for site, (spliced, zero, mean) in sums.items()
    }


def _nats(model: nn.Module, batch: TokenBatch) -> tuple[float, int]:
    """Summed cross-entropy of every real token behind another, and how many there are."""
    logits = model(input_ids=batch.tokens, attention_mask=batch.attention.long(), use_cache=False).logits
    follows = batch.attention[:, 1:] & batch.attention[:, :-1]
    losses = nn.functional.cross_entropy(
        logits[:, :-1][follows].float(), batch.tokens[:, 1:][follows], reduction="sum"
    )
    return float(losses), int(follows.sum())


def _watched(batches: Iterable[TokenBatch], what: str, progress: Progress | None) -> Iterator[TokenBatch]:
    end = len(batches) if isinstance(batches, Sized) else None
    for done, batch in enumerate(batches, start=1):
        yield batch
        if progress is not None:
            progress(what, done, end)


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else math.nan
