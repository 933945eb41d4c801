"""Training on rows of activations, by the same trainer and settings as `train_dictionaries`."""

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import Dictionary, Site, TrainingConfig
from dictionaries.architectures import find_architecture
from dictionaries.evaluation.evaluate import Accumulator
from dictionaries.model.activations import Statistics
from dictionaries.training.loop import CALIBRATION_ROWS
from dictionaries.training.site_trainer import SiteTrainer

NO_SITE = Site(0)
"""Site of rows that are from no model."""


def train_on_rows(
    rows: Float[Tensor, "n d"],
    architecture: str,
    config: TrainingConfig,
    *,
    site: Site = NO_SITE,
    encoder_bias: float = 0.0,
) -> Dictionary:
    """Train a dictionary on rows, ready for use on such rows; they are drawn without replacement within an epoch.

    Args:
        rows: activations to train on.
        architecture: name in `ARCHITECTURES`.
        config: settings of the training.
        site: site that the rows are from.
        encoder_bias: summand of b_enc before training. The pre-activations of a binary autoencoder start with a
            standard deviation of about 0.6 around it.
    """
    # A stream for the order of rows, and one for the first weights.
    order, weights = (torch.Generator().manual_seed(config.seed + offset) for offset in (0, 1))
    trainer = SiteTrainer(
        find_architecture(architecture),
        site,
        statistics=_statistics(rows),
        config=config,
        width=rows.shape[1],
        model_name="",
        generator=weights,
    )
    with torch.no_grad():
        trainer.dictionary.b_enc.add_(encoder_bias)
    places = torch.empty(0, dtype=torch.long)
    for step in range(config.steps):
        # What is left of an epoch and is no whole batch is dropped.
        if len(places) < config.batch_size:
            places = torch.randperm(len(rows), generator=order)
        chosen, places = places[: config.batch_size], places[config.batch_size :]
        trainer.step(rows[chosen], step)
        if config.removal_due(step + 1):
            trainer.remove(rows.split(CALIBRATION_ROWS))
    dictionary = trainer.dictionary
    # Undo the normalisation that the trainer trains in, and measure f̄ on the rows.
    dictionary.adopt(trainer.shift, trainer.scale)
    dictionary.requires_grad_(False).eval()
    dictionary.calibrate(judge_on_rows(dictionary, rows).mean_codes)
    return dictionary


def judge_on_rows(dictionary: Dictionary, rows: Float[Tensor, "n d"], *, pairs: bool = False) -> Accumulator:
    """Sum up a dictionary's quality over rows: explained variance, entropy, densities.

    Args:
        dictionary: the dictionary.
        rows: rows to judge it by.
        pairs: whether the entropy's bound by a tree is wanted too.
    """
    total = Accumulator(dictionary, pairs=pairs)
    total.add(rows)
    return total


def _statistics(rows: Float[Tensor, "n d"]) -> Statistics:
    """Return the rows' mean, E ‖x‖² and total variance E ‖x‖² - ‖E x‖²."""
    mean = rows.double().mean(dim=0)
    square = float(rows.double().square().sum()) / len(rows)
    return Statistics(mean.float(), square, square - float(mean.square().sum()))
