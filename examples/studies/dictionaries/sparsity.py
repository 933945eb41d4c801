"""Dense, dead and nameable features of binary autoencoders beside ReLU, TopK and Gated ones (Cho et al. 2025).

All have the same width and read the same site. The price of entropy, α_e, is swept for the binary autoencoder, and
its default is also trained with the straight-through gradient. Bits start on for half of the tokens, where entropy is
largest and its gradient vanishes; in the arms with a rare start they start on for a few. What is reconstructed
stands beside each figure.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dictionaries import (
    ARCHITECTURES,
    Dictionary,
    Site,
    TokenBatch,
    evaluate_dictionaries,
    train_dictionaries,
)
from dictionaries.evaluation.comsem import ComSem, ComSemSettings, comsem
from dictionaries.evaluation.evaluate import Accumulator
from dictionaries.evaluation.judges import TraitJudge
from dictionaries.model.activations import harvest
from examples.studies.dictionaries.intervals import estimate, shown
from examples.studies.dictionaries.lab import (
    Say,
    batches_of,
    judged_texts,
    lab_model,
    lab_tokenizer,
    training_texts,
)
from examples.studies.dictionaries.rows import train_on_rows
from examples.studies.tables import Table, as_written

DENSE = 0.1
"""Share of tokens above which a feature's state counts as dense."""
SITE = Site(2, "mlp_out")


class Arm(NamedTuple):
    """A way to train.

    Attributes:
        name: name in the tables.
        architecture: name in `ARCHITECTURES`.
        settings: settings that differ from the architecture's defaults.
        encoder_bias: value that b_enc starts at; below 0, bits start rare.
    """

    name: str
    architecture: str
    settings: dict[str, Any]
    encoder_bias: float = 0.0


def rare_start(price: float) -> Arm:
    """Return the arm of a binary autoencoder whose bits start rare, and whose price α_e rises slowly."""
    # The price reaches its full height at step 800 of 1,000, and the learning rate falls over the last fifth.
    settings = {
        "sparsity": price,
        "steps": 1000,
        "batch_size": 256,
        "sparsity_ramp": "linear",
        "sparsity_warmup_steps": 800,
        "learning_rate_decay_share": 0.2,
    }
    return Arm(f"BAE, α_e {price:g}, rare start", "binary", settings, encoder_bias=-2.0)


@dataclass(frozen=True, kw_only=True)
class SparsityStudy:
    """Dictionaries to train and compare.

    Attributes:
        arms: ways to train.
        site: site that all of them read.
        features: F, the number of features in each.
        comsem_features: number of features in each that are judged, drawn by the seed; all where None.
        controls: number of pseudo-features that say what chance gives.
        steps: number of training steps in place of the arms' own, where given.
        texts: number of training documents; all where None.
        judged: number of judging documents; all where None.
    """

    arms: tuple[Arm, ...] = (
        Arm("ReLU, λ 1.6", "relu", {"sparsity": 1.6, "clip_norm": 1.0, "steps": 1200}),
        Arm("TopK, k 16", "topk", {"k": 16, "steps": 1200}),
        Arm("Gated, λ 2", "gated", {"sparsity": 2.0, "clip_norm": 1.0, "steps": 1200}),
        Arm("BAE, α_e 0.0005", "binary", {"sparsity": 5e-4, "steps": 800}),
        Arm("BAE, α_e 0.002", "binary", {"sparsity": 2e-3, "steps": 800}),
        Arm("BAE, α_e 0.01", "binary", {"sparsity": 1e-2, "steps": 800}),
        Arm("BAE, α_e 0.04", "binary", {"sparsity": 4e-2, "steps": 800}),
        Arm(
            "BAE, α_e 0.0005, straight-through",
            "binary",
            {"sparsity": 5e-4, "steps": 800, "estimator": "straight_through"},
        ),
        *map(rare_start, (2e-3, 5e-3, 1e-2)),
    )
    site: Site = SITE
    features: int = 512
    comsem_features: int | None = 128
    controls: int = 100
    steps: int | None = None
    texts: int | None = None
    judged: int | None = None


class Measured(NamedTuple):
    """One dictionary. Shares are of all its features, on text that its training did not see.

    Names alone are judged on passages of the training text.

    Attributes:
        arm: name of the way it was trained.
        seed: seed of its training.
        explained_variance: share of the variance that it explains.
        recovered: share of the model's cross-entropy kept, against zero ablation.
        l0: mean number of features on at a token.
        entropy: sum of the features' entropies, on or off, in bits.
        dense: share of features on for more than 10% of the tokens.
        dense_rarer: share of features in the rarer of their two states, on or off, for more than 10%.
        dead: share of features that never change state.
        nameable: number of features that ComSem counts as interpretable.
        nameable_of_judged: share of them among the judged features that have enough passages.
        nameable_by_chance: number that as many pseudo-features of random passages would give.
    """

    arm: str
    seed: int
    explained_variance: float
    recovered: float
    l0: float
    entropy: float
    dense: float
    dense_rarer: float
    dead: float
    nameable: float
    nameable_of_judged: float
    nameable_by_chance: float


def measure(study: SparsityStudy, seeds: Sequence[int], say: Say) -> list[Measured]:
    """Train and judge every dictionary of the study."""
    measured = []
    training = batches_of(training_texts(study.texts))
    judged = batches_of(judged_texts(study.judged))
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            trained: dict[str, Dictionary] = {}
            for arm in study.arms:
                say(f"sparsity: seed {seed}, {arm.name}")
                # The arm's own settings over the architecture's defaults, and the study's steps over both.
                config = replace(
                    ARCHITECTURES[arm.architecture].defaults,
                    features=study.features,
                    seed=seed,
                    **arm.settings | ({"steps": study.steps} if study.steps else {}),
                )
                # `train_dictionaries` takes no start of its own, so these train on the rows by themselves.
                if arm.encoder_bias:
                    trained[arm.name] = train_on_rows(
                        _rows(study.site, training),
                        arm.architecture,
                        config,
                        site=study.site,
                        encoder_bias=arm.encoder_bias,
                    )
                    continue
                result = train_dictionaries(
                    lab_model(), training, [study.site], arm.architecture, config, cache=Path(folder)
                )
                trained[arm.name] = result.dictionaries[study.site]
            say(f"sparsity: seed {seed}, judging")
            settings = ComSemSettings(features=study.comsem_features, controls=study.controls, seed=seed)
            # Passages come from the training text, which is longer; every other figure from text not seen.
            named = comsem(lab_model(), lab_tokenizer(), training, trained, TraitJudge(), settings)
            found = evaluate_dictionaries(lab_model(), judged, trained)
            counted = _count_codes(study.site, judged, trained)
            for arm in study.arms:
                one = found[arm.name]
                if one.cross_entropy is None:
                    raise RuntimeError("the evaluation left out the cross-entropies")
                # How often each feature is on, and how often it is in the rarer of its two states.
                p = counted[arm.name].densities
                rarer = torch.minimum(p, 1 - p)
                figures = (
                    one.explained_variance,
                    one.cross_entropy.recovered_from_zero,
                    one.l0,
                    one.entropy_bits,
                    one.denser_than_10_percent,
                    float((rarer > DENSE).double().mean()),
                    float((rarer == 0).double().mean()),
                    named[arm.name].count,
                    named[arm.name].share_of_judged,
                    _by_chance(named[arm.name]),
                )
                measured.append(Measured(arm.name, seed, *map(as_written, figures)))
    return measured


def tables(measured: Sequence[Measured]) -> list[Table]:
    """Return tables of all dictionaries, and of means over seeds."""
    columns = (
        "dictionary",
        "explained variance",
        "recovered, %",
        "L0",
        "entropy, bits",
        "denser than 10%, %",
        "rarer state > 10%, %",
        "dead, %",
        "nameable",
        "by chance",
    )
    rows = []
    for arm in dict.fromkeys(one.arm for one in measured):
        group = [one for one in measured if one.arm == arm]
        rows.append(
            (
                arm,
                shown(estimate([one.explained_variance for one in group]), 3),
                shown(estimate([100 * one.recovered for one in group])),
                shown(estimate([one.l0 for one in group]), 1),
                shown(estimate([one.entropy for one in group]), 1),
                shown(estimate([100 * one.dense for one in group])),
                shown(estimate([100 * one.dense_rarer for one in group])),
                shown(estimate([100 * one.dead for one in group]), 1),
                shown(estimate([one.nameable for one in group]), 0),
                shown(estimate([one.nameable_by_chance for one in group]), 0),
            )
        )
    return [Table("sparsity-points", Measured._fields, measured), Table("sparsity", columns, rows)]


def _rows(site: Site, batches: Sequence[TokenBatch]) -> Tensor:
    """Return the lab model's activations of a site, (tokens, d)."""
    return torch.cat([piece.activations[site] for piece in harvest(lab_model(), batches, [site])])


def _count_codes(
    site: Site, batches: Sequence[TokenBatch], trained: dict[str, Dictionary]
) -> dict[str, Accumulator]:
    """Sum up each dictionary's codes over the same activations."""
    totals = {name: Accumulator(one) for name, one in trained.items()}
    # One pass of the model for all dictionaries.
    for piece in harvest(lab_model(), batches, [site]):
        for total in totals.values():
            total.add(piece.activations[site])
    return totals


def _by_chance(one: ComSem) -> float:
    """Return the nameable features of a dictionary whose every judged feature had random passages."""
    # Features with enough passages to be judged; the others cannot be nameable.
    enough = (len(one.judged) - one.rare) / len(one.judged)
    return one.controls_passed / one.controls * enough * one.features
