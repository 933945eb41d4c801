"""Samples that sparse probes are trained on: neurons where secrets are predicted, of the erased people and of others.

A sample is a token of an answer, at the position that predicts it; it is positive where the answer is to be erased.
All tokens of one probe fall into the same split.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from dictionaries.model.sites import Site, capture, resolve
from editor.model.forward import backbone
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, batches
from policies.errors import CorpusError

TRAIN, VALIDATION, TEST = 0, 1, 2
SHARES = (0.6, 0.2, 0.2)
"""Shares of each class's probes in TRAIN, VALIDATION and TEST."""
LEAST_PROBES = 3
"""Fewest probes of a class that can be split."""
ELEMENTS = 2**27
"""Most activations held at once: 512 MiB. Where there are more, deeper layers are read in passes of their own."""


@dataclass(frozen=True, kw_only=True)
class ProbeSplit:
    """Labels of samples, and the split of each.

    Attributes:
        labels: (samples,), 1 where the token belongs to a secret to erase, else 0.
        split: (samples,), TRAIN, VALIDATION or TEST.
    """

    labels: Int[ndarray, " samples"] = field(repr=False)
    split: Int[ndarray, " samples"] = field(repr=False)

    def where(self, split: int) -> Int[ndarray, " chosen"]:
        """Return the places of one split's samples."""
        return np.flatnonzero(self.split == split)


def read_neurons(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], sites: Sequence[Site]
) -> Iterator[Mapping[Site, Float[ndarray, "samples m"]]]:
    """Yield the neurons of a few sites at a time, in float32, samples in order of sequence and position.

    Args:
        loaded: the model, left as it was.
        sequences: prompts with marked answers; each marked token is a sample, read where it is predicted.
        sites: the sites to read, in the order in which they are yielded.
    """
    samples = sum(sum(sequence.marked) for sequence in sequences)
    width = max(resolve(loaded.model, site).width for site in sites)
    size = max(1, ELEMENTS // max(1, samples * width))
    for first in range(0, len(sites), size):
        yield _read(loaded, sequences, sites[first : first + size])


@torch.no_grad()
def _read(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], sites: Sequence[Site]
) -> dict[Site, Float[ndarray, "samples m"]]:
    pieces: dict[Site, dict[int, ndarray]] = {site: {} for site in sites}
    placed = [
        TokenSequence(ids=one.ids, marked=one.marked, index=place) for place, one in enumerate(sequences)
    ]
    for batch in batches(placed, pad=loaded.pad_id, device=loaded.device, passes=loaded.passes):
        with capture(loaded.model, sites, keys=False, stop_early=True) as taken:
            backbone(loaded.model)(**batch.inputs, use_cache=False)
        rows = batch.rows.cpu().numpy()
        for site in sites:
            values = taken.outputs[site][batch.predicting].float().cpu().numpy()
            for row, place in enumerate(batch.indices):
                pieces[site][place] = values[rows == row]
    return {site: np.concatenate([found[place] for place in sorted(found)]) for site, found in pieces.items()}


def split_samples(erase: Sequence[TokenSequence], others: Sequence[TokenSequence], seed: int) -> ProbeSplit:
    """Split the probes of each class at random into train, validation and test, three fifths and a fifth each.

    Raises:
        CorpusError: a class has too few probes to be split.
    """
    if min(len(erase), len(others)) < LEAST_PROBES:
        raise CorpusError(
            f"Sparse probing needs {LEAST_PROBES} questions about erased facts and as many about other people; there "
            f"are {len(erase)} and {len(others)}",
            "Give a corpus or a probes file that holds more people's facts",
        )
    generator = np.random.default_rng(seed)
    labels, split = [], []
    for label, sequences in ((1, erase), (0, others)):
        of_probe = _split(len(sequences), generator)
        for sequence, part in zip(sequences, of_probe, strict=True):
            count = sum(sequence.marked)
            labels += [label] * count
            split += [int(part)] * count
    return ProbeSplit(labels=np.array(labels), split=np.array(split))


def _split(count: int, generator: np.random.Generator) -> Int[ndarray, " probes"]:
    parts = np.full(count, TRAIN)
    held = max(1, round(SHARES[VALIDATION] * count))
    order = generator.permutation(count)
    parts[order[:held]] = VALIDATION
    parts[order[held : 2 * held]] = TEST
    return parts
