"""Places in a corpus: a token and the text on either side of it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from jaxtyping import Int
from torch import Tensor


class Passage(NamedTuple):
    """One token of a text where it stands.

    Attributes:
        before: the text to its left, as far as it is shown.
        token: the token.
        after: the text to its right, as far as it is shown.
        position: the token's place in its row, special tokens not counted, from 0.
    """

    before: str
    token: str
    after: str
    position: int


class Row(NamedTuple):
    """A row of a corpus without its padding.

    Attributes:
        document: the index of its text, in the order read.
        tokens: (sequence) ids.
        first: where the first token that counts stands.
    """

    document: int
    tokens: Int[Tensor, "sequence"]
    first: int


class PassageReader:
    """Reads passages from rows, each prefix of a row decoded once.

    Lengths of decoded prefixes say where to cut: single tokens may decode differently (leading spaces).

    Args:
        tokenizer: the model's.
        rows: by number.
        reach: tokens of a passage on either side, at most.
    """

    def __init__(self, tokenizer: Any, rows: Mapping[int, Row], reach: int) -> None:
        self._tokenizer, self._rows, self._reach = tokenizer, rows, reach
        self._lengths: dict[int, dict[int, int]] = {}
        self._texts: dict[int, str] = {}

    def read(self, row: int, position: int) -> Passage:
        """The token at a position of a row."""
        ids = self._rows[row].tokens
        stops = (position - self._reach, position, position + 1, position + 1 + self._reach)
        if row not in self._texts:
            self._texts[row] = self._decode(ids.tolist())
        cuts = [self._length(row, min(max(0, stop), len(ids))) for stop in stops]
        before, token, after = (self._texts[row][a:b] for a, b in pairwise(cuts))
        return Passage(before, token, after, position - self._rows[row].first)

    def _length(self, row: int, stop: int) -> int:
        known = self._lengths.setdefault(row, {})
        if stop not in known:
            known[stop] = len(self._decode(self._rows[row].tokens[:stop].tolist()))
        return known[stop]

    def _decode(self, ids: list[int]) -> str:
        text: str = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
