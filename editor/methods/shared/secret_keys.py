"""Activity of a model's neurons at the tokens that predict the secrets."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture
from editor.locators.problem import EditProblem
from editor.model.halving import in_halves
from editor.model.tokens import MarkedBatch, batches, padded_tokens
from editor.processes import group


@dataclass(frozen=True, kw_only=True)
class SecretKeys:
    """Means of one projection's inputs k over the tokens that predict the secrets, on the CPU.

    Attributes:
        mean: E k, (m,).
        size: E |k|, (m,), entry by entry.
    """

    mean: Float[Tensor, " m"] = field(repr=False)
    size: Float[Tensor, " m"] = field(repr=False)


@torch.no_grad()
def secret_keys(problem: EditProblem, sites: Sequence[Site]) -> dict[Site, SecretKeys]:
    """Read the probes to erase once, for the named writing sites. The model must be the original one.

    Returns:
        Means by writing site.
    """
    loaded = problem.loaded
    sums: dict[Site, Tensor] = {}
    count = 0

    def read(batch: MarkedBatch) -> tuple[dict[Site, Tensor], int]:
        found = {}
        with capture(loaded.model, sites, outputs=False) as taken:
            loaded.model.base_model(**batch.inputs, use_cache=False)
        for site, keys in taken.keys.items():
            chosen = keys[batch.predicting].float()  # k, a row each
            # Σ k and Σ |k| of this batch, (2, m).
            found[site] = torch.stack([chosen.sum(0), chosen.abs().sum(0)]).cpu()
        return found, len(batch.targets)

    asked = batches(problem.erase, pad=loaded.pad_id, device=loaded.device)
    readings = group().each("keys", asked, lambda batch: in_halves(read, batch, _added), cost=padded_tokens)
    for found, tokens in readings:
        for site, total in found.items():
            sums[site] = sums[site] + total if site in sums else total
        count += tokens
    # E k and E |k|, (2, m).
    means = {site: total / max(1, count) for site, total in sums.items()}
    return {site: SecretKeys(mean=mean, size=size) for site, (mean, size) in means.items()}


def _added(parts: Sequence[tuple[dict[Site, Tensor], int]]) -> tuple[dict[Site, Tensor], int]:
    """Return sums and count of a batch from those of its parts."""
    totals = {site: torch.stack([found[site] for found, _ in parts]).sum(0) for site in parts[0][0]}
    return totals, sum(count for _, count in parts)
