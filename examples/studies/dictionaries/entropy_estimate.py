"""Entropy of planted mixtures, as a binary autoencoder estimates it (Cho et al. 2025).

The estimate is the sum of the bits' entropies on rows that training did not see. A source that two bits stand for
counts twice; what removes the second is the price of entropy, α_e: where a bit's share of the variance is less
than the price it is given up. The price rises slowly: first every source is found, then what is found twice goes; a
price that is high from the start loses sources. It is chosen without knowing the truth, for each mixture and seed: of
the dictionaries that explain nearly as much variance of validation rows as the best, that of least entropy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import ARCHITECTURES, Dictionary
from dictionaries.config import GradientEstimator
from examples.studies.dictionaries.intervals import estimate, shown
from examples.studies.dictionaries.lab import Say
from examples.studies.dictionaries.planted import Mixture, Planted, binary_entropy, plant
from examples.studies.dictionaries.rows import judge_on_rows, train_on_rows
from examples.studies.dictionaries.tables import Table

CLOSE = 0.05
ALLOWED_LOSS = 0.02
"""Share of variance that a dictionary may explain less than the best and still be chosen."""
LEAST_ENTROPY = 0.02
"""Bits that a feature must have to count as in use."""


@dataclass(frozen=True, kw_only=True)
class EntropyStudy:
    """What is planted, and how it is learned.

    Attributes:
        mixtures: what is planted.
        compared: the mixtures on which the settings of the lab and the straight-through gradient are tried too.
        weights: α_e and α_c to choose from. The cheapest suits 16 sources, the dearest 4: one more source
            explains a smaller share of the variance where there are many. Tried on another seed beforehand.
        features: F.
        steps: of training.
        rows: to train on.
        judged: validation rows, and as many to judge by.
    """

    mixtures: tuple[Mixture, ...] = field(
        default_factory=lambda: (
            *(Mixture(rank=rank, noise=noise) for rank in (4, 8, 16) for noise in (0.0, 0.3, 0.6)),
            Mixture(rank=8, noise=0.3, sources="skewed"),
            Mixture(rank=8, noise=0.3, sources="paired"),
        )
    )
    compared: tuple[Mixture, ...] = (Mixture(rank=8, noise=0.3),)
    weights: tuple[tuple[float, float], ...] = ((0.02, 1e-4), (0.05, 1e-3), (0.12, 3e-3))
    features: int = 128
    steps: int = 1200
    rows: int = 32768
    judged: int = 8192


class Estimated(NamedTuple):
    """One dictionary of one mixture. `chosen` is 1 for the price that the validation rows choose."""

    rank: int
    noise: float
    sources: str
    setting: str
    price: float
    covariance: float
    seed: int
    chosen: int
    entropy: float
    marginal_entropy: float
    estimate: float
    features_in_use: int
    explained_variance: float
    validation: float
    ceiling: float
    recovered_source: float


def measure(study: EntropyStudy, seeds: Sequence[int], say: Say) -> list[Estimated]:
    """Estimate the entropy of every mixture."""
    found = []
    for mixture in study.mixtures:
        for seed in seeds:
            say(f"entropy: {mixture.sources} rank {mixture.rank}, noise {mixture.noise:g}, seed {seed}")
            planted = plant(mixture, study.rows, study.judged, seed)
            sweep = _chosen([_one(study, mixture, planted, "sigmoid", *way, seed) for way in study.weights])
            found += sweep
            if mixture in study.compared:
                defaults = ARCHITECTURES["binary"].defaults
                price, covariance = next((one.price, one.covariance) for one in sweep if one.chosen)
                others = (
                    ("lab's weights", defaults.sparsity, defaults.covariance_weight),
                    ("no covariance term", price, 0.0),
                    ("straight_through", price, covariance),
                )
                found += [_one(study, mixture, planted, *other, seed) for other in others]
    return found


def tables(found: Sequence[Estimated]) -> list[Table]:
    """All dictionaries; the chosen ones against the truth; other settings."""
    return [Table("entropy-points", Estimated._fields, found), _against_truth(found), _other_settings(found)]


def source_correlation(codes: Float[Tensor, "n F"], bits: Float[Tensor, "n r"]) -> float:
    """Mean over sources of the largest absolute correlation with a feature."""
    in_use = binary_entropy(codes.double().mean(dim=0)) > LEAST_ENTROPY
    if not bool(in_use.any()):
        return 0.0
    both = torch.cat([bits, codes[:, in_use]], dim=1)
    correlations = torch.corrcoef(both.T)[: bits.shape[1], bits.shape[1] :]
    return float(correlations.abs().amax(dim=1).mean())


def _one(
    study: EntropyStudy,
    mixture: Mixture,
    planted: Planted,
    setting: str,
    price: float,
    covariance: float,
    seed: int,
) -> Estimated:
    estimator: GradientEstimator = "straight_through" if setting == "straight_through" else "sigmoid"
    config = replace(
        ARCHITECTURES["binary"].defaults,
        features=study.features,
        steps=study.steps,
        sparsity_ramp="linear",
        sparsity_warmup_steps=study.steps * 5 // 6,
        learning_rate_decay_share=0.2,
        sparsity=price,
        covariance_weight=covariance,
        estimator=estimator,
        seed=seed,
    )
    dictionary: Dictionary = train_on_rows(planted.rows, "binary", config)
    judged = judge_on_rows(dictionary, planted.judged)
    return Estimated(
        mixture.rank,
        mixture.noise,
        mixture.sources,
        setting,
        price,
        covariance,
        seed,
        0,
        planted.entropy,
        planted.marginal_entropy,
        judged.entropy_bits,
        int((binary_entropy(judged.densities) > LEAST_ENTROPY).sum()),
        judged.explained_variance,
        judge_on_rows(dictionary, planted.validation).explained_variance,
        planted.ceiling,
        source_correlation(dictionary.encode(planted.judged), planted.bits),
    )


def _chosen(sweep: list[Estimated]) -> list[Estimated]:
    best = max(one.validation for one in sweep)
    close = [one for one in sweep if one.validation >= best - ALLOWED_LOSS]
    choice = min(close, key=lambda one: one.estimate)
    return [one._replace(chosen=int(one is choice)) for one in sweep]


def _against_truth(found: Sequence[Estimated]) -> Table:
    rows = []
    for group in _groups([one for one in found if one.chosen]):
        first, off = group[0], [abs(one.estimate / one.entropy - 1) for one in group]
        rows.append(
            (
                first.sources,
                first.rank,
                first.noise,
                shown(estimate([one.entropy for one in group])),
                shown(estimate([one.marginal_entropy for one in group])),
                shown(estimate([one.estimate for one in group])),
                shown(estimate([one.estimate / one.entropy for one in group]), 3),
                shown(estimate([one.explained_variance for one in group]), 3),
                f"{first.ceiling:.3f}",
                f"{sum(one <= CLOSE for one in off)} of {len(off)}",
            )
        )
    columns = (
        "sources",
        "rank",
        "noise",
        "entropy",
        "sum of marginals",
        "estimate",
        "estimate / entropy",
        "explained variance",
        "at most",
        "seeds within 5%",
    )
    return Table("entropy-against-truth", columns, rows)


def _other_settings(found: Sequence[Estimated]) -> Table:
    compared = {one[:3] for one in found if one.setting not in {"sigmoid"}}
    kept = [one for one in found if one[:3] in compared and (one.chosen or one.setting != "sigmoid")]
    rows = [
        (
            group[0].rank,
            group[0].noise,
            group[0].setting if group[0].setting != "sigmoid" else "sigmoid, chosen price",
            shown(estimate([one.estimate / one.entropy for one in group])),
            shown(estimate([float(one.features_in_use) for one in group]), 1),
            shown(estimate([one.explained_variance for one in group]), 3),
            shown(estimate([one.recovered_source for one in group]), 3),
        )
        for group in _groups(kept)
    ]
    columns = (
        "rank",
        "noise",
        "setting",
        "estimate / entropy",
        "features in use",
        "explained variance",
        "correlation with sources",
    )
    return Table("entropy-settings", columns, rows)


def _groups(found: Sequence[Estimated]) -> list[list[Estimated]]:
    groups: dict[tuple[str, int, float, str], list[Estimated]] = {}
    for one in found:
        groups.setdefault((one.sources, one.rank, one.noise, one.setting), []).append(one)
    return list(groups.values())
