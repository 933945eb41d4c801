"""Places in a corpus: a token and the text on either side of it."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from jaxtyping import Int
from torch import Tensor


class Passage(NamedTuple):
    """One token of a text where it stands.

    Attributes:
        before: text to the token's left, as far as it is shown.
        token: text of the token.
        after: text to the token's right, as far as it is shown.
        position: the token's place in its row, special tokens not counted, from 0.
    """

    before: str
    token: str
    after: str
    position: int


class Piece(NamedTuple):
    """A token of a passage as text, and a feature's value on it."""

    text: str
    value: float


class Row(NamedTuple):
    """A row of a corpus without its padding.

    Attributes:
        document: index of the row's text, in the order read.
        tokens: (sequence) token ids.
        first: position of the first token that counts.
    """

    document: int
    tokens: Int[Tensor, "sequence"]
    first: int


class PassageReader:
    """A reader of passages from rows that decodes each prefix of a row once.

    Lengths of decoded prefixes say where to cut: single tokens may decode differently (leading spaces).

    Args:
        tokenizer: the model's tokenizer.
        rows: rows by number.
        reach: largest number of tokens of a passage on either side.
    """

    def __init__(self, tokenizer: Any, rows: Mapping[int, Row], reach: int) -> None:
        self._tokenizer, self._rows, self._reach = tokenizer, rows, reach
        self._lengths: dict[int, dict[int, int]] = {}
        self._texts: dict[int, str] = {}

    def read(self, row: int, position: int) -> Passage:
        """Return the passage of the token at a position of a row."""
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
    """Return the tokens at some places of a row as text, one piece each, those of no text included.

    The whole row is decoded and masked before it is cut: what a cut divides is masked too.

    Args:
        tokenizer: the model's tokenizer.
        ids: the row's token ids.
        values: values of a feature, one per token.
        place: positions of the tokens wanted.
        mask: function that masks text and keeps its length.
    """
    lengths = [len(_plain(tokenizer, ids[:stop])) for stop in (*place, place.stop)]
    text = mask(_plain(tokenizer, ids))
    return tuple(
        Piece(text[start:end], values[at]) for at, (start, end) in zip(place, pairwise(lengths), strict=True)
    )


def _plain(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text
