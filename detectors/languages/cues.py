"""Context words near a place in a text, in many languages at once."""

import re
from collections.abc import Iterable, Mapping

WORD = re.compile(r"[^\W\d_]+")
IDEOGRAPH = re.compile(r"[぀-ヿ㐀-鿿]")
BEFORE, AFTER = 6, 3
_REACH = 80
_REACH_AFTER = 40
# Abbreviations are short; a longer word before a full stop ends a sentence.
_END_BEFORE = re.compile(r"[^\W\d_]{5,}[.]\s+(?=\S)|\d[.]\s+(?=[A-Z])|[!?。！？；]|\n\s*\n")
_MAY_END = re.compile(r"[.!?。！？；\n]")
_END_AFTER = re.compile(r"[.!?]\s|[。！？；\n]")
_NEAR_IDEOGRAPHS = 14
_HEAD = 2
_NOTHING = frozenset[str]()


def before(text: str, position: int) -> str:
    """Return what stands before a position in its sentence, at most 80 characters."""
    piece = text[max(0, position - _REACH) : position]
    start = 0
    for end in _END_BEFORE.finditer(piece) if _MAY_END.search(piece) else ():
        start = end.end()
    return piece[start:]


def after(text: str, position: int) -> str:
    """Return what stands after a position in its sentence, at most 40 characters."""
    piece = text[position : position + _REACH_AFTER]
    end = _END_AFTER.search(piece)
    return piece[: end.start()] if end else piece


class Cues:
    """Context words by language.

    Args:
        words: words in lower case by language; one that ends in a star stands for every word that begins so. Words of
            Chinese and Japanese are looked for as parts of the text, which has no blanks.
    """

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._whole: dict[str, frozenset[str]] = {}
        self._stems: dict[str, frozenset[str]] = {}
        self._parts: dict[str, frozenset[str]] = {}
        for code, given in words.items():
            for word in given:
                index = self._whole
                if IDEOGRAPH.search(word):
                    index = self._parts
                elif word.endswith("*"):
                    index = self._stems
                index[word.rstrip("*")] = index.get(word.rstrip("*"), frozenset()) | {code}
        self._lengths = sorted({len(stem) for stem in self._stems})
        self._heads = {stem[:_HEAD] for stem in self._stems}

    def of(self, word: str) -> frozenset[str]:
        """Return the languages in which a word, in lower case, is a context word."""
        found = self._whole.get(word, _NOTHING)
        if word[:_HEAD] not in self._heads:
            return found
        for length in self._lengths:
            if length > len(word):
                break
            found |= self._stems.get(word[:length], _NOTHING)
        return found

    def near(
        self, text: str, start: int, end: int, *, words_before: int = BEFORE, words_after: int = AFTER
    ) -> frozenset[str]:
        """Return the languages of the context words near `text[start:end]`, within its sentence."""
        head, tail = before(text, start), after(text, end)
        words = WORD.findall(head.lower())[-words_before:] + WORD.findall(tail.lower())[:words_after]
        found = _NOTHING
        for word in words:
            found |= self.of(word)
        return found | self.parts_in(head[-_NEAR_IDEOGRAPHS:] + "\n" + tail[:_NEAR_IDEOGRAPHS])

    def end_in(self, text: str) -> int:
        """Return where the last context word in a text without blanks ends, and what joins it to the rest; or 0."""
        ends = (at + len(part) for part in self._parts if (at := text.rfind(part)) >= 0)
        end = max(ends, default=0)
        return end + len(text[end:]) - len(text[end:].lstrip("是为為在于於はの：: ")) if end else 0

    def parts_in(self, text: str) -> frozenset[str]:
        """Return the languages of the context words that are parts of a text without blanks."""
        if not self._parts or text.isascii() or not IDEOGRAPH.search(text):
            return frozenset()
        return frozenset(code for part, codes in self._parts.items() if part in text for code in codes)
