"""Entropy of planted mixtures, as a binary autoencoder estimates it (Cho et al. 2025).

The paper's estimate is the sum of the bits' entropies on rows that training did not see; a source that two bits stand
for counts twice. Two answers are measured. Training with removal: the price of entropy rises slowly, so that every
source is found first, and from then on bits that lower the loss by being gone are taken out
(`dictionaries.training.removal`). And an estimate that counts copies once, whatever the training: the bound by a tree
(`dictionaries.evaluation.tree_entropy`), which stands beside the sum everywhere.
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
from examples.studies.tables import Table

CLOSE = 0.05
"""Largest relative error of an estimate that counts as close."""
REMOVAL, NO_REMOVAL = "removal", "no removal"
LEAST_ENTROPY = 0.02
"""Entropy in bits that a feature must exceed to count as in use."""


@dataclass(frozen=True, kw_only=True)
class EntropyStudy:
    """Planted mixtures, and the settings that they are learned with.

    Attributes:
        mixtures: mixtures to plant.
        compared: mixtures on which the settings of the lab and the straight-through gradient are tried too.
        price: α_e: below the share of variance of any source planted here (0.046 at least, of 16 with most noise),
            above what one more bit gains by describing noise.
        covariance: α_c, the weight of the covariance between bits.
        removal_every: number of steps between removals, in the last third.
        features: F, the number of features.
        steps: number of training steps.
        rows: number of rows to train on.
        judged: number of rows to judge by.
    """

    mixtures: tuple[Mixture, ...] = field(
        default_factory=lambda: (
            *(Mixture(rank=rank, noise=noise) for rank in (4, 8, 16) for noise in (0.0, 0.3, 0.6)),
            Mixture(rank=8, noise=0.3, sources="skewed"),
            Mixture(rank=8, noise=0.3, sources="paired"),
        )
    )
    compared: tuple[Mixture, ...] = (Mixture(rank=8, noise=0.3),)
    price: float = 0.02
    covariance: float = 1e-4
    removal_every: int = 150
    features: int = 128
    steps: int = 1500
    rows: int = 32768
    judged: int = 16384


class Estimated(NamedTuple):
    """One dictionary of one mixture; entropies are in bits.

    Attributes:
        rank: r, the number of sources.
        noise: standard deviation of the noise over that of the signal.
        sources: kind of sources.
        setting: name of the training's settings.
        price: α_e.
        covariance: α_c.
        seed: seed of the mixture and of the training.
        entropy: joint entropy of the sources.
        marginal_entropy: sum of the sources' own entropies.
        estimate: sum over bits of their entropies.
        tree: bound by a tree, which counts copies once.
        features_in_use: number of features above `LEAST_ENTROPY`.
        explained_variance: share of the variance that the dictionary explains.
        ceiling: share of the variance that the sources explain.
        recovered_source: mean over sources of the largest absolute correlation with a feature.
    """

    rank: int
    noise: float
    sources: str
    setting: str
    price: float
    covariance: float
    seed: int
    entropy: float
    marginal_entropy: float
    estimate: float
    tree: float
    features_in_use: int
    explained_variance: float
    ceiling: float
    recovered_source: float


def measure(study: EntropyStudy, seeds: Sequence[int], say: Say) -> list[Estimated]:
    """Estimate the entropy of every mixture, a dictionary for each seed and setting."""
    found = []
    for mixture in study.mixtures:
        for seed in seeds:
            say(f"entropy: {mixture.sources} rank {mixture.rank}, noise {mixture.noise:g}, seed {seed}")
            planted = plant(mixture, study.rows, study.judged, seed)
            # Name, α_e and α_c.
            settings = [(name, study.price, study.covariance) for name in (REMOVAL, NO_REMOVAL)]
            # Other weights and the other gradient, all without removal.
            if mixture in study.compared:
                defaults = ARCHITECTURES["binary"].defaults
                settings += [
                    ("lab's weights", defaults.sparsity, defaults.covariance_weight),
                    ("no covariance term", study.price, 0.0),
                    ("straight_through", study.price, study.covariance),
                ]
            found += [_estimate_one(study, mixture, planted, *setting, seed) for setting in settings]
    return found


def tables(found: Sequence[Estimated]) -> list[Table]:
    """Return tables of all dictionaries, of those with and without removal against the truth, and of other settings."""
    return [
        Table("entropy-points", Estimated._fields, found),
        _against_truth("entropy-against-truth", [one for one in found if one.setting == REMOVAL]),
        _against_truth("entropy-without-removal", [one for one in found if one.setting == NO_REMOVAL]),
        _other_settings(found),
    ]


def source_correlation(codes: Float[Tensor, "n F"], bits: Float[Tensor, "n r"]) -> float:
    """Return the mean over sources of the largest absolute correlation with a feature in use.

    Args:
        codes: codes of the features.
        bits: sources of the same rows.
    """
    # A feature that hardly changes has no correlation to speak of.
    in_use = binary_entropy(codes.double().mean(dim=0)) > LEAST_ENTROPY
    if not bool(in_use.any()):
        return 0.0
    both = torch.cat([bits, codes[:, in_use]], dim=1)
    # (r, features in use): the corner of the whole matrix that pairs sources with features.
    correlations = torch.corrcoef(both.T)[: bits.shape[1], bits.shape[1] :]
    return float(correlations.abs().amax(dim=1).mean())


def _estimate_one(
    study: EntropyStudy,
    mixture: Mixture,
    planted: Planted,
    setting: str,
    price: float,
    covariance: float,
    seed: int,
) -> Estimated:
    """Train one dictionary on a mixture and judge it."""
    estimator: GradientEstimator = "straight_through" if setting == "straight_through" else "sigmoid"
    config = replace(
        ARCHITECTURES["binary"].defaults,
        features=study.features,
        steps=study.steps,
        # The price rises for two thirds of the steps, so that every source is found before bits are removed.
        sparsity_ramp="linear",
        sparsity_warmup_steps=study.steps * 2 // 3,
        learning_rate_decay_share=0.2,
        sparsity=price,
        covariance_weight=covariance,
        estimator=estimator,
        removal_every=study.removal_every if setting == REMOVAL else 0,
        seed=seed,
    )
    dictionary: Dictionary = train_on_rows(planted.rows, "binary", config)
    judged = judge_on_rows(dictionary, planted.judged, pairs=True)
    return Estimated(
        mixture.rank,
        mixture.noise,
        mixture.sources,
        setting,
        price,
        covariance,
        seed,
        planted.entropy,
        planted.marginal_entropy,
        judged.entropy_bits,
        judged.tree_bits,
        int((binary_entropy(judged.densities) > LEAST_ENTROPY).sum()),
        judged.explained_variance,
        planted.ceiling,
        source_correlation(dictionary.encode(planted.judged), planted.bits),
    )


def _against_truth(name: str, found: Sequence[Estimated]) -> Table:
    """Return a table of estimates beside the true entropies, means over seeds."""
    rows = []
    for group in _groups(found):
        # Rank, noise, sources and ceiling are the same for all seeds of a group.
        first = group[0]
        rows.append(
            (
                first.sources,
                first.rank,
                first.noise,
                shown(estimate([one.entropy for one in group])),
                shown(estimate([one.marginal_entropy for one in group])),
                shown(estimate([one.estimate for one in group])),
                shown(estimate([one.tree for one in group])),
                shown(estimate([one.estimate / one.entropy for one in group]), 3),
                shown(estimate([one.tree / one.entropy for one in group]), 3),
                shown(estimate([one.explained_variance for one in group]), 3),
                f"{first.ceiling:.3f}",
                _count_close([one.estimate / one.entropy for one in group]),
                _count_close([one.tree / one.entropy for one in group]),
            )
        )
    columns = (
        "sources",
        "rank",
        "noise",
        "entropy",
        "sum of marginals",
        "estimate",
        "tree bound",
        "estimate / entropy",
        "tree / entropy",
        "explained variance",
        "at most",
        "seeds within 5%",
        "tree within 5%",
    )
    return Table(name, columns, rows)


def _count_close(ratios: Sequence[float]) -> str:
    """Return how many estimates are close to the truth, "2 of 3"."""
    return f"{sum(abs(one - 1) <= CLOSE for one in ratios)} of {len(ratios)}"


def _other_settings(found: Sequence[Estimated]) -> Table:
    """Return a table of all settings on the mixtures that have more than two."""
    # Mixtures by rank, noise and sources.
    compared = {one[:3] for one in found if one.setting not in {REMOVAL, NO_REMOVAL}}
    rows = [
        (
            group[0].rank,
            group[0].noise,
            group[0].setting,
            shown(estimate([one.estimate / one.entropy for one in group])),
            shown(estimate([one.tree / one.entropy for one in group])),
            shown(estimate([float(one.features_in_use) for one in group]), 1),
            shown(estimate([one.explained_variance for one in group]), 3),
            shown(estimate([one.recovered_source for one in group]), 3),
        )
        for group in _groups([one for one in found if one[:3] in compared])
    ]
    columns = (
        "rank",
        "noise",
        "setting",
        "estimate / entropy",
        "tree / entropy",
        "features in use",
        "explained variance",
        "correlation with sources",
    )
    return Table("entropy-settings", columns, rows)


def _groups(found: Sequence[Estimated]) -> list[list[Estimated]]:
    """Group dictionaries of the same mixture and setting, one a seed."""
    groups: dict[tuple[str, int, float, str], list[Estimated]] = {}
    for one in found:
        groups.setdefault((one.sources, one.rank, one.noise, one.setting), []).append(one)
    return list(groups.values())
