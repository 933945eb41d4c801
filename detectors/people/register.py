"""The register: names and aliases of data subjects, found in text by a trie over tokens.

Presidio's deny list is one regular expression of all names and needs 1.9 ms per text at 10,000 names; a trie's
time depends on the text alone.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from detectors.people.words import COMMON, NAMES_TOO
from detectors.reading import readings

# Characters that are seen as nothing: they do not part a word.
_UNSEEN = "\u00ad\u200c\u200d\u2060\ufeff"
# Letters of scripts without blanks, and letters that stand for an apostrophe: each is a token.
_UNPARTED = "[\u02b9\u02bc\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af]"
# A word with its combining accents, or a single other character.
_TOKEN = re.compile(
    rf"{_UNPARTED}|(?!{_UNPARTED})\w(?:(?!{_UNPARTED})[\w\u0300-\u036f{_UNSEEN}])*+|[^\w\s\u200b{_UNSEEN}]"
)
_ASCII_TOKEN = re.compile(r"\w+|[^\w\s]")
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u02b9\u2032\u00b4\uff07", "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys(_UNSEEN),
        **{
            "\u00f8": "o",
            "\u00d8": "O",
            "\u0142": "l",
            "\u0141": "L",
            "\u0111": "d",
            "\u0110": "D",
            "\u0131": "i",
        },
    }
)
_TRANSCRIBED = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "å": "aa",
        "Å": "Aa",
        "ø": "oe",
        "Ø": "Oe",
    }
    | {"æ": "ae", "Æ": "Ae", "ß": "ss"}
)
_NAME = ""  # the trie's key for "a name ends here": no token is empty


class _Entry(NamedTuple):
    """What the register knows of one form of a name.

    Attributes:
        subject: the name's owner; None where it is a form of several people's names.
        capitals: which tokens are capitalised.
        any_case: whether it is found in small letters too.
        is_form: whether it is made of a name, and not one that was given.
    """

    subject: str | None
    capitals: tuple[int, ...]
    any_case: bool = False
    is_form: bool = False


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

    A name matches token by token, whatever the white space between tokens; longest match first. Accents, the kind of
    apostrophe or hyphen, and characters that are not seen do not matter. Neither does case, except that a word the
    register capitalises must begin with a capital in the text: the register's "Will May" is found in "WILL MAY" and
    not in "will may". In Chinese, Japanese and Korean each letter is a token.

    Attributes:
        is_open: whether whom a document names in full is known in that document too: where nobody is in the register.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._trie: dict[str, Any] = {}
        self._canonical: dict[str, str] = {}
        self._forms: dict[str, str | None] = {}

    def __len__(self) -> int:
        """Return the number of data subjects."""
        return len(set(self._canonical.values()))

    @property
    def subjects(self) -> tuple[str, ...]:
        """The data subjects' names, in order of registration."""
        return tuple(dict.fromkeys(self._canonical.values()))

    def add(self, name: str, aliases: Iterable[str] = ()) -> None:
        """Register a data subject. A name or alias that is known already keeps its first owner."""
        self._add(name, aliases)

    def add_person(self, name: str, aliases: Iterable[str] = ()) -> None:
        """Register a person: the name and the aliases also with the surname first, without umlauts, in small letters.

        Small letters do not count where all words of a name are words of the language ("will may"), and a form that
        several people have, or somebody's name, is not theirs.
        """
        subject = self._add(name, aliases, any_case=True)
        for given in (name, *aliases):
            for form in _forms(given):
                self._add_form(form, subject)

    def _add(self, name: str, aliases: Iterable[str], *, any_case: bool = False) -> str:
        subject = self._canonical.get(_fold_name(name), " ".join(name.split()))
        for form in (name, *aliases):
            tokens = _TOKEN.findall(form)
            if tokens and self._canonical.setdefault(_fold_name(form), subject) == subject:
                node, entry = self._node(tokens), _entry(tokens, subject, any_case=any_case)
                if _NAME not in node or node[_NAME].is_form:
                    node[_NAME] = entry
        return subject

    def _add_form(self, form: str, subject: str) -> None:
        tokens = _TOKEN.findall(form)
        folded, node = _fold_name(form), self._node(tokens)
        owner = subject if self._forms.get(folded, subject) == subject else None
        self._forms[folded] = owner
        if _NAME not in node or node[_NAME].is_form:
            node[_NAME] = _entry(tokens, owner, any_case=True)._replace(is_form=True)

    def _node(self, tokens: Iterable[str]) -> dict[str, Any]:
        node = self._trie
        for token in tokens:
            node = node.setdefault(_fold(token), {})
        return node

    def canonical(self, name: str) -> str | None:
        """Return the subject that a name, an alias or a form of one belongs to, or None."""
        folded = _fold_name(name)
        return self._canonical.get(folded) or self._forms.get(folded)

    def find(self, text: str) -> list[Mention]:
        """Return all mentions, left to right, not overlapping, the longest at each place."""
        words = _words(text)
        root = self._trie
        starts = [index for index, word in enumerate(words) if word in root]
        if not starts:
            return []
        tokens = (_ASCII_TOKEN if text.isascii() else _TOKEN).finditer(text)
        spans: list[tuple[int, int]] = []  # of the tokens read so far: up to the last that a name may reach
        mentions: list[Mention] = []
        free_from = 0
        for first in starts:
            names = self._names_at(words, first) if first >= free_from else ()
            if not names:
                continue
            spans.extend(token.span() for token in islice(tokens, max(0, names[-1][0] - len(spans))))
            for after, entry in reversed(names):
                small = [text[spans[first + offset][0]].islower() for offset in entry.capitals]
                if entry.subject and (not any(small) or (entry.any_case and all(small))):
                    start, end = spans[first][0], spans[after - 1][1]
                    mentions.append(Mention(start=start, end=end, subject=entry.subject))
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


def _forms(name: str) -> Iterator[str]:
    """Yield how else a name of several words is written: "Lindqvist, Nora", "Mueller" for "Müller"."""
    words = name.split()
    if len(words) < 2 or not all(word[0].isalpha() for word in words) or any(sign in name for sign in ",@"):
        return
    for spelled in dict.fromkeys((name, name.translate(_TRANSCRIBED))):
        *given, surname = spelled.split()
        if spelled != name:
            yield spelled
        yield f"{surname}, {' '.join(given)}"
        yield f"{surname} {' '.join(given)}"


def _entry(tokens: Sequence[str], subject: str | None, *, any_case: bool) -> _Entry:
    capitals = tuple(offset for offset, token in enumerate(tokens) if token[0].isupper())
    words = [token.casefold() for token in tokens if token[0].isalpha()]
    told = len(words) > 1 and any(word not in COMMON and word not in NAMES_TOO for word in words)
    return _Entry(subject, capitals, any_case=any_case and told)


def _words(text: str) -> list[str]:
    """Return the tokens of a text, folded."""
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    return [_fold(token) for token in _TOKEN.findall(text)]


@lru_cache(maxsize=2**16)
def _fold(token: str) -> str:
    """Return a token without case, accents and kinds of signs."""
    if token.isascii():
        return token.lower()
    folded = unicodedata.normalize("NFKC", token.translate(_PLAIN)).casefold()
    if folded.isascii():
        return folded
    parted = unicodedata.normalize("NFD", folded)
    return (
        unicodedata.normalize("NFC", "".join(one for one in parted if not "\u0300" <= one <= "\u036f"))
        or token
    )


def _fold_name(name: str) -> str:
    return " ".join(_words(name))
