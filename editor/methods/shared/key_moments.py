"""First and second moments of keys over the retained text, for the projections that a method changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture
from editor.locators.problem import EditProblem
from editor.model.halving import in_halves
from editor.model.tokens import MarkedBatch, padded_tokens
from editor.processes import group
from editor.questions.retained import text_batches


@dataclass(frozen=True, kw_only=True)
class KeyMoments:
    """Moments of one projection's inputs k, over the tokens that predict a marked token of the retained text.

    Attributes:
        mean: k̄ = E k, (m,).
        covariance: C₀ = E kkᵀ, (m, m), not centred.
    """

    mean: Float[Tensor, " m"] = field(repr=False)
    covariance: Float[Tensor, "m m"] = field(repr=False)


@torch.no_grad()
def key_moments(problem: EditProblem, sites: Sequence[Site]) -> dict[Site, KeyMoments]:
    """Read the retained text once, for the named writing sites alone. The model must be the original one.

    Returns:
        Moments by writing site, in float32 on the model's device.
    """
    model = problem.loaded.model
    sums: dict[Site, Tensor] = {}
    squares: dict[Site, Tensor] = {}
    tokens = 0

    def read(batch: MarkedBatch) -> tuple[dict[Site, tuple[Tensor, Tensor]], int]:
        found = {}
        with capture(model, sites, outputs=False, stop_early=True) as taken:
            model.base_model(**batch.inputs, use_cache=False)
        for site, keys in taken.keys.items():
            chosen = keys[batch.predicting].float()  # k, a row each
            # Σ k and Σ kkᵀ of this batch.
            found[site] = chosen.sum(0), chosen.T @ chosen
        return found, len(batch.targets)

    texts = text_batches(problem.loaded, problem.retained)
    # What comes of a batch is as large as the result.
    readings = group().each(
        "moments", texts, lambda batch: in_halves(read, batch, _added), cost=padded_tokens, at_a_time=1
    )
    for found, count in readings:
        for site, (total, square) in found.items():
            sums[site] = sums[site] + total if site in sums else total
            squares[site] = squares[site] + square if site in squares else square
        tokens += count
    n = max(1, tokens)
    # k̄ = Σ k / n, C₀ = Σ kkᵀ / n.
    return {site: KeyMoments(mean=total / n, covariance=squares[site] / n) for site, total in sums.items()}


def _added(
    parts: Sequence[tuple[dict[Site, tuple[Tensor, Tensor]], int]],
) -> tuple[dict[Site, tuple[Tensor, Tensor]], int]:
    """Return sums, squares and count of a batch from those of its parts."""
    totals, count = parts[0]
    for found, more in parts[1:]:
        for site, (total, square) in found.items():
            totals[site] = totals[site][0] + total, totals[site][1].add_(square)
        count += more
    return totals, count
