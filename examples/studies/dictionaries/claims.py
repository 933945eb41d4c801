"""The papers' claims by name, each a function that measures, writes its figures and returns its tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

from examples.studies.dictionaries import entropy_estimate, gated, instrument, sparsity
from examples.studies.dictionaries.lab import Say
from examples.studies.tables import Table

Claim = Callable[[Sequence[int], Path, Say], list[Table]]
"""Measurement of a claim, from the seeds, the folder of figures, and what is told of progress."""


def gated_against_relu(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Measure whether Gated needs fewer features for the same prediction, and does not shrink."""
    study = gated.GatedStudy()
    return gated.tables(gated.measure(study, seeds, say), study)


def entropy_of_planted_data(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Measure whether binary autoencoders estimate the entropy of planted mixtures."""
    return entropy_estimate.tables(entropy_estimate.measure(entropy_estimate.EntropyStudy(), seeds, say))


def dense_dead_and_nameable(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Measure whether binary autoencoders have few dense features and more nameable ones, at what they reconstruct."""
    return sparsity.tables(sparsity.measure(sparsity.SparsityStudy(), seeds, say))


def entropy_as_an_instrument(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:
    """Measure whether the entropy of hidden states tells layers apart, and remembering from reading."""
    measured = instrument.measure(instrument.InstrumentStudy(), seeds, say)
    instrument.write_figures(measured, output)
    return instrument.tables(measured)


CLAIMS: dict[str, Claim] = {
    "gated": gated_against_relu,
    "entropy": entropy_of_planted_data,
    "sparsity": dense_dead_and_nameable,
    "instrument": entropy_as_an_instrument,
}
