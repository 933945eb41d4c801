"""Gated against ReLU: features on at equal cross-entropy recovered, and shrinkage (Rajamanoharan et al. 2024).

Both are trained on the same activations with the same width, steps, batches, learning rate and seeds, at three
weights of the penalty each. L0, the number of features on, is read at one level of cross-entropy recovered between two
weights, on straight lines of log L0 over log(1 - recovered). Each seed gives a ratio Gated / ReLU.
"""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dictionaries import ARCHITECTURES, Dictionary, Site, evaluate_dictionaries, train_dictionaries
from examples.studies.dictionaries.intervals import estimate, shown
from examples.studies.dictionaries.lab import Say, batches_of, judged_texts, lab_model, training_texts
from examples.studies.tables import Table

UNBIASED = (0.98, 1.02)
"""Interval of γ, the reconstruction's relative scale, that counts as free of shrinkage."""
LARGEST_RATIO = 0.65
"""Ratio of L0, Gated over ReLU, that the whole interval must not exceed for the claim to hold."""


@dataclass(frozen=True, kw_only=True)
class GatedStudy:
    """Dictionaries to train and compare.

    Attributes:
        sites: sites that dictionaries read.
        weights: λ by architecture.
        features: F, the number of features in each.
        steps: number of training steps of each.
        levels: shares of cross-entropy recovered from zero ablation at which L0 is compared.
        texts: number of training documents; all where None.
        judged: number of judging documents; all where None.
    """

    sites: tuple[Site, ...] = (Site(2, "mlp_out"), Site(1, "resid_post"))
    weights: tuple[tuple[str, tuple[float, ...]], ...] = (
        ("relu", (0.6, 1.2, 2.4)),
        ("gated", (1.5, 3.0, 6.0)),
    )
    features: int = 512
    steps: int = 1000
    levels: tuple[float, ...] = (0.96, 0.97, 0.98)
    texts: int | None = None
    judged: int | None = None


class Point(NamedTuple):
    """One dictionary, judged on text that its training did not see.

    Attributes:
        site: site that it reads.
        architecture: its name in `ARCHITECTURES`.
        weight: λ.
        seed: seed of its training.
        l0: mean number of features on at a token.
        recovered: share of the model's cross-entropy kept, against zero ablation.
        gamma: γ, the reconstruction's relative scale; below 1 it shrinks.
        explained_variance: share of the variance that it explains.
        alive: number of features that are on somewhere.
        denser_than_10_percent: share of features on at more than 10% of the tokens.
    """

    site: str
    architecture: str
    weight: float
    seed: int
    l0: float
    recovered: float
    gamma: float
    explained_variance: float
    alive: int
    denser_than_10_percent: float


def measure(study: GatedStudy, seeds: Sequence[int], say: Say) -> list[Point]:
    """Train and judge every dictionary of the study."""
    model, judged = lab_model(), batches_of(judged_texts(study.judged))
    points = []
    # Activations are kept in the folder: all dictionaries read the same ones.
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            trained = _train(study, seed, Path(folder), say)
            found = evaluate_dictionaries(model, judged, trained)
            for (architecture, weight, site), one in found.items():
                if one.cross_entropy is None:
                    raise RuntimeError("the evaluation left out the cross-entropies")
                points.append(
                    Point(
                        str(site),
                        architecture,
                        weight,
                        seed,
                        one.l0,
                        one.cross_entropy.recovered_from_zero,
                        one.gamma,
                        one.explained_variance,
                        one.alive,
                        one.denser_than_10_percent,
                    )
                )
    return points


def l0_at(points: Sequence[Point], level: float) -> float:
    """Return L0 where the sweep recovers this share, between its two nearest weights; NaN outside the sweep.

    Args:
        points: one sweep: dictionaries of one site, architecture and seed.
        level: share of cross-entropy recovered.
    """
    # log L0 over -log(1 - recovered), which grows with the share recovered.
    curve = sorted((-math.log(1 - point.recovered), math.log(point.l0)) for point in points)
    x, y = zip(*curve, strict=True)
    return float(np.exp(np.interp(-math.log(1 - level), x, y, left=math.nan, right=math.nan)))


def tables(points: Sequence[Point], study: GatedStudy) -> list[Table]:
    """Return tables of all dictionaries, of L0 at equal cross-entropy recovered, and of shrinkage."""
    return [Table("gated-points", Point._fields, points), _at_equal_loss(points, study), _shrinkage(points)]


def _train(study: GatedStudy, seed: int, cache: Path, say: Say) -> dict[tuple[str, float, Site], Dictionary]:
    """Train the study's dictionaries by one seed; return them by architecture, weight and site."""
    batches = batches_of(training_texts(study.texts))
    trained: dict[tuple[str, float, Site], Dictionary] = {}
    for architecture, weights in study.weights:
        for weight in weights:
            say(f"gated: seed {seed}, {architecture}, weight {weight:g}")
            # All else is the same for both architectures.
            config = replace(
                ARCHITECTURES[architecture].defaults,
                features=study.features,
                steps=study.steps,
                sparsity=weight,
                clip_norm=1.0,
                seed=seed,
            )
            result = train_dictionaries(lab_model(), batches, study.sites, architecture, config, cache=cache)
            trained |= {(architecture, weight, site): one for site, one in result.dictionaries.items()}
    return trained


def _at_equal_loss(points: Sequence[Point], study: GatedStudy) -> Table:
    """Return a table of L0 at each level, and of the ratio's interval over seeds."""
    seeds = sorted({point.seed for point in points})
    rows = []
    for site in map(str, study.sites):
        for level in study.levels:
            relu, gated = (
                [
                    l0_at([p for p in points if p[:2] == (site, name) and p.seed == seed], level)
                    for seed in seeds
                ]
                for name in ("relu", "gated")
            )
            # A ratio for each seed: dictionaries of one seed share their batches.
            ratio = estimate([one / other for one, other in zip(gated, relu, strict=True)])
            # NaN, where a sweep does not reach the level, is no.
            verdict = "yes" if ratio.high <= LARGEST_RATIO else "no"
            rows.append(
                (
                    site,
                    f"{100 * level:g}%",
                    shown(estimate(relu), 1),
                    shown(estimate(gated), 1),
                    shown(ratio),
                    verdict,
                )
            )
    columns = ("site", "recovered", "ReLU L0", "Gated L0", "ratio", f"interval at most {LARGEST_RATIO}")
    return Table("gated-at-equal-loss", columns, rows)


def _shrinkage(points: Sequence[Point]) -> Table:
    """Return a table of γ by site, architecture and weight, means over seeds."""
    rows = []
    for site, name, weight in sorted({point[:3] for point in points}):
        group = [point for point in points if point[:3] == (site, name, weight)]
        # Free of shrinkage only where the whole interval is.
        gamma = estimate([point.gamma for point in group])
        rows.append(
            (
                site,
                name,
                weight,
                shown(estimate([point.l0 for point in group]), 1),
                shown(estimate([100 * point.recovered for point in group])),
                shown(gamma, 4),
                "yes" if UNBIASED[0] <= gamma.low and gamma.high <= UNBIASED[1] else "no",
            )
        )
    columns = ("site", "architecture", "weight", "L0", "recovered, %", "γ", "γ in 0.98-1.02")
    return Table("gated-shrinkage", columns, rows)
