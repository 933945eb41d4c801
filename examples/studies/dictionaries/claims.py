"""The claims by name: each measures, writes its figures and gives its tables."""

from collections.abc import Callable, Sequence
from pathlib import Path

from examples.studies.dictionaries import entropy_estimate, gated, instrument, sparsity
from examples.studies.dictionaries.lab import Say
from examples.studies.tables import Table

Claim = Callable[[Sequence[int], Path, Say], list[Table]]


def gated_against_relu(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Gated needs fewer features for the same prediction, and does not shrink."""
    study = gated.GatedStudy()
    return gated.tables(gated.measure(study, seeds, say), study)


def entropy_of_planted_data(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Binary autoencoders estimate the entropy of planted mixtures."""
    return entropy_estimate.tables(entropy_estimate.measure(entropy_estimate.EntropyStudy(), seeds, say))


def dense_dead_and_nameable(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:  # noqa: ARG001
    """Binary autoencoders have few dense features, and more that can be named, at what they reconstruct."""
    return sparsity.tables(sparsity.measure(sparsity.SparsityStudy(), seeds, say))


def entropy_as_an_instrument(seeds: Sequence[int], output: Path, say: Say) -> list[Table]:
    """Entropy of hidden states tells where in a model, and whether it remembers or reads."""
    measured = instrument.measure(instrument.InstrumentStudy(), seeds, say)
    instrument.write_figures(measured, output)
    return instrument.tables(measured)


CLAIMS: dict[str, Claim] = {
    "gated": gated_against_relu,
    "entropy": entropy_of_planted_data,
    "sparsity": dense_dead_and_nameable,
    "instrument": entropy_as_an_instrument,
}
