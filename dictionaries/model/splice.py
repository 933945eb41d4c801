"""The cost to a model of replacing a site's activations by a dictionary's reconstruction."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from dictionaries.model.activations import harvest
from dictionaries.model.sites import Site, intercepted
from dictionaries.model.tokens import TokenBatch

Key = TypeVar("Key", bound=Hashable)
Progress = Callable[[str, int, int | None], None]
Replacement = Callable[[Float[Tensor, "tokens d"]], Float[Tensor, "tokens d"]]
LOGIT_ROWS = 1024  # positions whose logits are held in float32 at a time


@dataclass(frozen=True, kw_only=True)
class CrossEntropy:
    """The model's cross-entropy, in nats/token, with a site's activations as they are and replaced.

    Activations are replaced at counted tokens (see `dictionaries.model.activations`) and left alone elsewhere.

    Attributes:
        clean: cross-entropy of the model as it is.
        spliced: cross-entropy with the dictionary's reconstruction in place of the activation.
        zero_ablated: cross-entropy with 0 in its place.
        mean_ablated: cross-entropy with its mean over the evaluated tokens in its place.
        spliced_kl: KL(clean prediction || spliced prediction), in nats/token.
        zero_ablated_kl: KL(clean prediction || prediction with 0 in its place), in nats/token.
        mean_ablated_kl: KL(clean prediction || prediction with its mean in its place), in nats/token.
        targets: number of predicted tokens.
    """

    clean: float
    spliced: float
    zero_ablated: float
    mean_ablated: float
    spliced_kl: float
    zero_ablated_kl: float
    mean_ablated_kl: float
    targets: int

    @property
    def recovered_from_zero(self) -> float:
        """(zero - spliced) / (zero - clean): 1 is no loss, 0 is as bad as zero ablation."""
        return ratio(self.zero_ablated - self.spliced, self.zero_ablated - self.clean)

    @property
    def recovered_from_mean(self) -> float:
        """(mean - spliced) / (mean - clean): the stricter of the two."""
        return ratio(self.mean_ablated - self.spliced, self.mean_ablated - self.clean)

    @property
    def kl_recovered_from_zero(self) -> float:
        """1 - KL(clean || spliced) / KL(clean || zero): 1 is the same prediction everywhere."""
        return 1 - ratio(self.spliced_kl, self.zero_ablated_kl)

    @property
    def kl_recovered_from_mean(self) -> float:
        """1 - KL(clean || spliced) / KL(clean || mean)."""
        return 1 - ratio(self.spliced_kl, self.mean_ablated_kl)


@contextmanager
def replaced(
    model: nn.Module, site: Site, replace: Replacement, where: Bool[Tensor, "batch sequence"]
) -> Iterator[None]:
    """Replace a site's activations at the marked tokens while the model runs inside the `with` block.

    Args:
        model: a causal language model.
        site: the site whose activations are replaced.
        replace: maps activations (tokens, d) in float32 to their replacement of the same shape.
        where: (batch, sequence) mask of the tokens at which to replace.

    Raises:
        DictionaryError: the model has no such layer.
        ModelError: the model's structure is not understood.
    """

    def change(output: Tensor) -> Tensor:
        changed = output.clone()
        shaped = changed.view(*where.shape, -1)
        at = where.to(output.device)
        shaped[at] = replace(shaped[at].to(where.device, torch.float32)).to(shaped)
        return changed

    with intercepted(model, site, change):
        yield


@torch.no_grad()
def splicing_costs(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    dictionaries: Mapping[Key, tuple[Site, Replacement]],
    means: Mapping[Site, Float[Tensor, "d"]],
    progress: Progress | None = None,
) -> dict[Key, CrossEntropy]:
    """Measure one reconstruction after another in its site's place, and at each site 0 and the mean.

    This takes one model pass for the model as it is, one per dictionary, and two per site.

    Args:
        model: a causal language model in evaluation mode.
        batches: token batches, iterated once.
        dictionaries: site and reconstruction of each dictionary, by its name.
        means: (d) mean of the activations by site.
        progress: callback after each batch.
    """
    spliced = {key: _Loss() for key in dictionaries}
    zero, mean = ({site: _Loss() for site in means} for _ in range(2))
    clean, targets = 0.0, 0
    for piece in harvest(model, watched(batches, "cross-entropy", progress), list(means)):
        reference = _predictions(model, piece.batch)
        clean, targets = clean + reference.nats(), targets + len(reference.targets)
        ways = [
            *((site, replacement, spliced[key]) for key, (site, replacement) in dictionaries.items()),
            *((site, torch.zeros_like, zero[site]) for site in means),
            *((site, means[site].expand_as, mean[site]) for site in means),
        ]
        for site, replacement, loss in ways:
            with replaced(model, site, replacement, piece.kept):
                loss.add(_predictions(model, piece.batch), reference)
    return {
        key: CrossEntropy(
            clean=ratio(clean, targets),
            spliced=ratio(spliced[key].nats, targets),
            zero_ablated=ratio(zero[site].nats, targets),
            mean_ablated=ratio(mean[site].nats, targets),
            spliced_kl=ratio(spliced[key].divergence, targets),
            zero_ablated_kl=ratio(zero[site].divergence, targets),
            mean_ablated_kl=ratio(mean[site].divergence, targets),
            targets=targets,
        )
        for key, (site, _) in dictionaries.items()
    }


class _Loss:
    """Sums over targets, in nats: the cross-entropy, and the divergence from the model as it is."""

    def __init__(self) -> None:
        self.nats = self.divergence = 0.0

    def add(self, changed: "_Predictions", clean: "_Predictions") -> None:
        self.nats += changed.nats()
        self.divergence += changed.divergence_from(clean)


class _Predictions(NamedTuple):
    """Logits, in the model's dtype, at every real token before another, and that other's id."""

    logits: Float[Tensor, "targets vocabulary"]
    targets: Int[Tensor, "targets"]

    def nats(self) -> float:
        """Return the summed cross-entropy, in nats."""
        pieces = zip(torch.split(self.logits, LOGIT_ROWS), torch.split(self.targets, LOGIT_ROWS), strict=True)
        return sum(
            float(nn.functional.cross_entropy(logits.float(), targets, reduction="sum"))
            for logits, targets in pieces
        )

    def divergence_from(self, clean: "_Predictions") -> float:
        """Return the summed KL(clean || this), in nats."""
        total = 0.0
        for logits, others in zip(
            torch.split(self.logits, LOGIT_ROWS), torch.split(clean.logits, LOGIT_ROWS), strict=True
        ):
            log_p, log_q = others.float().log_softmax(dim=1), logits.float().log_softmax(dim=1)
            total += float(nn.functional.kl_div(log_q, log_p, reduction="sum", log_target=True))
        return total


def _predictions(model: nn.Module, batch: TokenBatch) -> _Predictions:
    logits = model(input_ids=batch.tokens, attention_mask=batch.attention.long(), use_cache=False).logits
    follows = batch.attention[:, 1:] & batch.attention[:, :-1]
    return _Predictions(logits[:, :-1][follows], batch.tokens[:, 1:][follows])


def watched(batches: Iterable[TokenBatch], what: str, progress: Progress | None) -> Iterator[TokenBatch]:
    """Yield batches, and report each once it is used."""
    end = len(batches) if isinstance(batches, Sized) else None
    for done, batch in enumerate(batches, start=1):
        yield batch
        if progress is not None:
            progress(what, done, end)


def ratio(numerator: float, denominator: float) -> float:
    """Return numerator / denominator, and NaN where the denominator is 0."""
    return numerator / denominator if denominator else math.nan
