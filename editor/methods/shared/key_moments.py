"""First and second moments of keys over the retained text, for the projections that a method changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture
from editor.locators.problem import EditProblem
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
    for batch in text_batches(problem.loaded, problem.retained):
        with capture(model, sites, outputs=False, stop_early=True) as taken:
            model.base_model(**batch.inputs, use_cache=False)
        for site, keys in taken.keys.items():
            chosen = keys[batch.predicting].float()  # k, a row each
            # Σ k and Σ kkᵀ of this batch.
            total, square = chosen.sum(0), chosen.T @ chosen
            sums[site] = sums[site] + total if site in sums else total
            squares[site] = squares[site] + square if site in squares else square
        tokens += len(batch.targets)
    count = max(1, tokens)
    # k̄ = Σ k / n, C₀ = Σ kkᵀ / n.
    return {
        site: KeyMoments(mean=total / count, covariance=squares[site] / count) for site, total in sums.items()
    }
