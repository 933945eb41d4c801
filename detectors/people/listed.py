"""Names of people told by lists of given names and surnames, without a model and without knowing anybody.

The lists are Faker's, of some 90 countries. A list alone is not enough: "Jordan" is a country, "Hill" a word and
"Underwood Group" a company. The words beside a name decide, as they do for names told by their shape
(`detectors.people.shapes`).
"""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from detectors.people.shapes import Part, Run, Shapes, Word
from detectors.people.words import (
    COMMON,
    COUNTRIES_TOO,
    INTRODUCING,
    NAMES_TOO,
    ORGANISATIONS,
    PLACES_LAST,
    SPEAKING,
    STREETS_OR_SURNAMES,
    TITLES,
)

LEAST_CHARACTERS = 3
"""Letters of a single word that may be a name."""
MOST_HEADING = 3
"""Capitalised words in a row among which one word may still be a name; in more it is a word of a title."""

_MOSTLY = 3
_SMALL_WORD = re.compile(r"(?<![\w'’@.])[^\W\d_A-Z]{2,}(?![\w@])")
_WORD = re.compile(r"[^\W\d_]+")
_NO_NAME = re.compile(r"[\d\n]")
_FOLLOWING = re.compile(r",?\s+(\w+)")
_INTRODUCED = re.compile(
    rf"\b(?:{'|'.join(INTRODUCING)})\s+(?P<name>[^\W\d_]{{3,}}(?:\s+[^\W\d_]{{3,}})?)(?![\w@])", re.IGNORECASE
)
_SMALL_PAIR = re.compile(r"(?=(?<![\w@.'’-])([^\W\d_]{2,})\.?\s([^\W\d_]{2,}(?:-[^\W\d_]+)?)(?![\w@]))")
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-Þ]")


class NameLists(NamedTuple):
    """Names in lower case; of those of several words, each word too.

    Attributes:
        given: given names.
        family: surnames.
        female: given names that women have, in thrice as many countries as men at least.
        male: the same for men.
    """

    given: frozenset[str]
    family: frozenset[str]
    female: frozenset[str] = frozenset()
    male: frozenset[str] = frozenset()

    def know(self, word: str) -> bool:
        """Return whether a word, in lower case, is a given name or a surname."""
        return word in self.given or word in self.family

    def support(self, found: str) -> bool:
        """Return whether what a model takes for a person may be one: a line's words, one of them a name, no digit."""
        words = _WORD.findall(found)
        return (
            not _NO_NAME.search(found)
            and not _is_place(words[-1].casefold() if words else "")
            and any(self.know(word.casefold()) for word in words)
        )


@lru_cache(maxsize=1)
def name_lists() -> NameLists:
    """Return the names of all countries that Faker has."""
    import faker.providers.person as countries

    given: set[str] = set()
    family: set[str] = set()
    female: Counter[str] = Counter()
    male: Counter[str] = Counter()
    for module in pkgutil.iter_modules(countries.__path__):
        provider = importlib.import_module(f"{countries.__name__}.{module.name}").Provider
        for attribute in dir(provider):
            if "first_name" in attribute:
                names = set(_words_of(getattr(provider, attribute)))
                given |= names
                if attribute.endswith("female"):
                    female.update(names)
                elif attribute.endswith("male"):
                    male.update(names)
            elif "last_name" in attribute:
                family.update(_words_of(getattr(provider, attribute)))
    return NameLists(
        frozenset(given),
        frozenset(family),
        frozenset(_mostly(female, male)),
        frozenset(_mostly(male, female)),
    )


def _mostly(ones: Counter[str], others: Counter[str]) -> Iterator[str]:
    return (name for name, count in ones.items() if count >= _MOSTLY * others[name])


def _words_of(names: Any) -> Iterator[str]:
    """Yield the words of a provider's list of names; nothing of its methods and of what is no list of names."""
    if not isinstance(names, (Mapping, list, tuple, set, frozenset)):
        return
    for name in names:
        if isinstance(name, str) and len(name) > 1:
            yield name.casefold()
            yield from (word for word in re.split(r"[ -]", name.casefold()) if len(word) > 2)


class ListedNames:
    """The finder of names by lists.

    Args:
        language: two-letter code of the texts' language.
        function_words: the language's commonest words, in lower case.
        lists: the names known; Faker's by default.
    """

    def __init__(
        self, language: str = "en", function_words: Iterable[str] = (), lists: NameLists | None = None
    ) -> None:
        self._lists = name_lists() if lists is None else lists
        self._shapes = Shapes(language, function_words)
        self._common = COMMON | frozenset(function_words)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Return the (start, end) of each name, by position, with the form of address before it."""
        if not _CAPITAL.search(text):
            return self._in_small_letters(text)
        small = frozenset(_SMALL_WORD.findall(text))
        found = [place for run in self._shapes.runs(text) for place in self._in_run(text, run, small)]
        return _apart([*found, *self._introduced(text)])

    def full_names(self, text: str) -> Iterator[str]:
        """Yield names of several words, the first of which is a given name, without a form of address."""
        for start, end in self.find(text):
            words = text[start:end].split()
            while words and words[0].rstrip(".").casefold() in TITLES:
                del words[0]
            if len(words) > 1 and words[0].casefold() in self._lists.given and len(words[-1].rstrip(".")) > 1:
                yield " ".join(words)

    def _in_run(self, text: str, run: Run, small: frozenset[str]) -> Iterator[tuple[int, int]]:
        for part in run.parts:
            words = part.named
            if not words:
                continue
            start, end = (part.title or part.words[0]).start, words[-1].end
            if part.title is not None:
                yield start, end
            elif _names_a_thing(part.following):
                continue
            elif len(words) > 1:
                if self._is_full(words) and self._shapes.may_be_name(
                    text, part, listed=self._is_given(words[0])
                ):
                    yield start, end
            elif len(run.words) <= MOST_HEADING and self._is_single(text, words[0], small, part):
                yield start, end

    def _is_given(self, word: Word) -> bool:
        return word.folded in self._lists.given

    def _is_full(self, words: Sequence[Word]) -> bool:
        """Return whether several words are a given name or an initial, and others, or end in a surname."""
        first, last = words[0], words[-1]
        if first.is_initial:
            return self._lists.know(last.folded)
        return first.folded in self._lists.given or last.folded in self._lists.family

    def _is_single(self, text: str, word: Word, small: frozenset[str], part: Part) -> bool:
        folded = word.folded
        if len(folded) < LEAST_CHARACTERS or folded in self._common or word.text.isupper():
            return False
        if not self._lists.know(folded) or not self._shapes.may_be_name(text, part):
            return False
        acts = word.possessive or _follows(text, word.end) in SPEAKING
        return acts or not (folded in NAMES_TOO or folded in COUNTRIES_TOO or folded in small)

    def _introduced(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield what is said to be a name, in any case: "my name is ...", "call me ..."."""
        for match in _INTRODUCED.finditer(text):
            start, end = match.span("name")
            words = match["name"].split()
            folded = [word.casefold() for word in words]
            if folded[0] in self._common or not (words[0][0].isupper() or self._lists.know(folded[0])):
                continue
            alike = len(words) == 1 or words[0][0].isupper() == words[1][0].isupper()
            if (
                not alike
                or folded[-1] in self._common
                or (words[0].islower() and not self._lists.know(folded[-1]))
            ):
                end = start + len(words[0])
            yield start, end

    def _in_small_letters(self, text: str) -> list[tuple[int, int]]:
        """Return the names of a text without capitals: a given name and a surname, or what is said to be a name."""
        found = list(self._introduced(text))
        for match in _SMALL_PAIR.finditer(text):
            first, last = match[1], match[2]
            titled = first in TITLES
            if last in self._common or (first in self._common and not titled):
                continue
            if titled or (
                first in self._lists.given and last in self._lists.family and first not in NAMES_TOO
            ):
                found.append((match.start(1), match.end(2)))
        return _apart(found)


def _follows(text: str, end: int) -> str:
    match = _FOLLOWING.match(text, end)
    return match[1].casefold() if match else ""


def _names_a_thing(word: Word | None) -> bool:
    """Return whether the capitalised word after a part makes it a company or a street: "Underwood Group"."""
    return word is not None and _is_place(word.folded)


def _is_place(word: str) -> bool:
    return word in ORGANISATIONS or word in PLACES_LAST or word in STREETS_OR_SURNAMES


def _apart(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places by position, the longest of those that overlap."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(places, key=lambda place: (place[0], -place[1])):
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
