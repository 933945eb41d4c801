"""Every sequence comes once a round, in parts, in an order that the seed gives."""

from itertools import chain, islice

import torch

from editor.model.epochs import epochs, epochs_by_length
from editor.model.tokens import TokenSequence


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_place_comes_once_a_round():
    first, second = list(islice(epochs(7, 3, seeded()), 3)), list(islice(epochs(7, 3, seeded()), 6))[3:]
    assert [len(part) for part in first] == [3, 3, 1]
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(7))
    assert first != second
    assert first == list(islice(epochs(7, 3, seeded()), 3))


def test_nothing_to_draw_from_gives_empty_parts():
    assert list(islice(epochs(0, 3, seeded()), 2)) == [[], []]


def test_parts_by_length_are_of_similar_length():
    lengths = [5, 50, 6, 51, 7, 52, 8, 53]
    sequences = [
        TokenSequence(ids=(1,) * length, marked=(True,) * length, index=place)
        for place, length in enumerate(lengths)
    ]
    parts = list(islice(epochs_by_length(sequences, 4, seeded()), 2))
    assert sorted(map(sorted, parts)) == [[0, 2, 4, 6], [1, 3, 5, 7]]
