"""Places in a corpus: a token and the text on either side of it."""

from collections.abc import Callable, Mapping, Sequence
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


class Piece(NamedTuple):
    """A token of a passage as text, and a feature on it."""

    text: str
    value: float


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
            self._texts[row] = _plain(self._tokenizer, ids.tolist())
        cuts = [self._length(row, min(max(0, stop), len(ids))) for stop in stops]
        before, token, after = (self._texts[row][a:b] for a, b in pairwise(cuts))
        return Passage(before, token, after, position - self._rows[row].first)

    def _length(self, row: int, stop: int) -> int:
        known = self._lengths.setdefault(row, {})
        if stop not in known:
            known[stop] = len(_plain(self._tokenizer, self._rows[row].tokens[:stop].tolist()))
        return known[stop]


def read_pieces(
    tokenizer: Any,
    ids: Sequence[int],
    values: Sequence[float],
    place: range,
    mask: Callable[[str], str],
) -> tuple[Piece, ...]:
    """The tokens at some places of a row as text, one piece each, those of no text included.

    The whole row is decoded and masked before it is cut: what a cut divides is masked too.

    Args:
        tokenizer: the model's.
        ids: the row's tokens.
        values: a feature on each.
        place: the tokens wanted.
        mask: gives text of the same length.
    """
    lengths = [len(_plain(tokenizer, ids[:stop])) for stop in (*place, place.stop)]
    text = mask(_plain(tokenizer, ids))
    return tuple(
        Piece(text[start:end], values[at]) for at, (start, end) in zip(place, pairwise(lengths), strict=True)
    )


def _plain(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text
