"""Sentences of a text, found by rule for linking and prefixes, without a language model."""

import re
from bisect import bisect_right
from dataclasses import dataclass

# A full stop after these ends nothing: a name or an example follows.
_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "mx",
        "dr",
        "prof",
        "rev",
        "hon",
        "gov",
        "sen",
        "rep",
        "gen",
        "col",
        "capt",
        "lt",
        "sgt",
        "fr",
        "cf",
        "vs",
        "e.g",
        "i.e",
        "u.s",
        "u.k",
        "p.o",
    ]
)
# Nor after these where a number follows.
_BEFORE_NUMBERS = frozenset(
    [
        "no",
        "nr",
        "tel",
        "ph",
        "ext",
        "fax",
        "apt",
        "fig",
        "p",
        "pp",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
# The end of a sentence: its punctuation and closing quotes, then white space before anything but a lower-case
# word; an e-mail address or an identifier may begin a sentence in lower case.
# The look-behind keeps a long run of full stops from being tried at each of them.
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s+(?:[^\sa-z]|\S*[@\d]))|[。！？｡]++[」』”’）]*+|\n++")
_LAST_WORD = re.compile(r"[\w.]*\w$")


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """The sentences of a text, without gaps: each reaches up to the next one's start.

    Attributes:
        starts: positions of the sentences' first characters, ascending; white space before a sentence belongs to
            the one before it.
        length: length of the text, in characters.
    """

    starts: tuple[int, ...]
    length: int

    def index(self, position: int) -> int:
        """Return the index of the sentence that holds the character at `position`."""
        return max(bisect_right(self.starts, position) - 1, 0)

    def bounds(self, index: int) -> tuple[int, int]:
        """Return the position of a sentence's first character and one past that of its last."""
        after = index + 1
        return self.starts[index], self.starts[after] if after < len(self.starts) else self.length

    def __len__(self) -> int:
        return len(self.starts)


def split_sentences(text: str) -> Sentences:
    """Split a text into sentences at `.`, `!`, `?`, `…`, their Chinese and Japanese forms, and line breaks.

    A full stop after an abbreviation ("Dr."), after an initial ("A. Quill") or before a lower-case letter
    ends nothing; neither does one inside a number, an e-mail address or a URL, as no white space follows it.
    """
    leading = len(text) - len(text.lstrip())
    starts = [leading if leading < len(text) else 0]
    for match in _END.finditer(text):
        begin = match.end()
        while begin < len(text) and text[begin].isspace():
            begin += 1
        if not starts[-1] < begin < len(text):
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        if match[0] != "." or not _is_abbreviation(before, text[begin]):
            starts.append(begin)
    return Sentences(starts=tuple(starts), length=len(text))


def _is_abbreviation(before: str, following: str) -> bool:
    """Return whether the word that ends here keeps its full stop inside a sentence."""
    match = _LAST_WORD.search(before)
    if match is None:
        return False
    word = match[0]
    if word.lower() in _BEFORE_NUMBERS:
        return following.isdigit() or following in "(+#"
    return word.lower() in _TITLES or (len(word) == 1 and word.isalpha() and word.isupper())
