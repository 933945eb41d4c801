"""The register: names and aliases of data subjects, found in text by a trie over tokens.

Presidio's deny list is one regular expression of all names and needs 1.9 ms per text at 10,000 names; a trie's
time depends on the text alone.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from detectors.reading import readings

# A word with its combining accents, or a single other character.
_TOKEN = re.compile(r"[\w\u0300-\u036f]+|[^\w\s]")
_NAME = ""  # the trie's key for "a name ends here": no token is empty
_Entry = tuple[str, tuple[int, ...]]  # the subject, and which tokens of the name are capitalised


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A place where a text names a data subject.

    Attributes:
        start: position of the first character, 0-based.
        end: one past the position of the last character.
        subject: name that facts carry, whichever alias stands in the text. Masked in `repr`.
    """

    start: int
    end: int
    subject: str = field(repr=False)


class Register:
    """A register of the names of data subjects.

    A name matches token by token, whatever the white space between tokens; longest match first. Case does not
    matter, except that a word the register capitalises must begin with a capital in the text: the register's
    "Will May" is found in "WILL MAY" and not in "will may".
    """

    def __init__(self) -> None:
        self._trie: dict[str, Any] = {}
        self._canonical: dict[str, str] = {}

    def __len__(self) -> int:
        """Return the number of data subjects."""
        return len(set(self._canonical.values()))

    @property
    def subjects(self) -> tuple[str, ...]:
        """The data subjects' names, in order of registration."""
        return tuple(dict.fromkeys(self._canonical.values()))

    def add(self, name: str, aliases: Iterable[str] = ()) -> None:
        """Register a data subject. A name or alias that is known already keeps its first owner."""
        subject = self._canonical.get(_fold_name(name), " ".join(name.split()))
        for form in (name, *aliases):
            tokens = _TOKEN.findall(form)
            if tokens and self._canonical.setdefault(_fold_name(form), subject) == subject:
                node = self._trie
                for token in tokens:
                    node = node.setdefault(_fold(token), {})
                capitals = tuple(offset for offset, token in enumerate(tokens) if token[0].isupper())
                node.setdefault(_NAME, (subject, capitals))

    def canonical(self, name: str) -> str | None:
        """Return the subject that a name or an alias belongs to, or None."""
        return self._canonical.get(_fold_name(name))

    def find(self, text: str) -> list[Mention]:
        """Return all mentions, left to right, not overlapping, the longest at each place."""
        words = _words(text)
        root = self._trie
        starts = [index for index, word in enumerate(words) if word in root]
        if not starts:
            return []
        tokens = _TOKEN.finditer(text)
        spans: list[tuple[int, int]] = []  # of the tokens read so far: up to the last that a name may reach
        mentions: list[Mention] = []
        free_from = 0
        for first in starts:
            names = self._names_at(words, first) if first >= free_from else ()
            if not names:
                continue
            spans.extend(token.span() for token in islice(tokens, max(0, names[-1][0] - len(spans))))
            for after, (subject, capitals) in reversed(names):
                if not any(text[spans[first + offset][0]].islower() for offset in capitals):
                    start, end = spans[first][0], spans[after - 1][1]
                    mentions.append(Mention(start=start, end=end, subject=subject))
                    free_from = after
                    break
        return mentions

    def find_read(self, text: str) -> list[Mention]:
        """Return the mentions in a text as a person reads it: under escapes and in fullwidth letters too."""
        found = {
            reading.place(mention.start, mention.end): mention
            for reading in readings(text)
            for mention in self.find(reading.text)
        }
        return [replace(found[start, end], start=start, end=end) for start, end in sorted(found)]

    def _names_at(self, words: list[str], first: int) -> Sequence[tuple[int, _Entry]]:
        """Return the names that begin at token `first`, shortest first: (one past the last token, entry)."""
        names: list[tuple[int, _Entry]] = []
        node = self._trie
        for position in range(first, len(words)):
            following = node.get(words[position])
            if following is None:
                break
            node = following
            if _NAME in node:
                names.append((position + 1, node[_NAME]))
        return names


def _words(text: str) -> list[str]:
    """Return the tokens of a text, folded."""
    if text.isascii():
        return _TOKEN.findall(text.lower())
    return [_fold(token) for token in _TOKEN.findall(text)]


def _fold(token: str) -> str:
    return token.lower() if token.isascii() else unicodedata.normalize("NFKC", token).casefold()


def _fold_name(name: str) -> str:
    return " ".join(_words(name))
