"""Street addresses: a house number, and the words beside it that say it is one."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import regex  # type: ignore[import-untyped]

from detectors.languages.knowledge import Knowledge, has_ideographs

SURE, LIKELY = 0.95, 0.6
_REACH = 70
_MOST_WORDS = 6
_SHORT = 4
_LONGEST_ABBREVIATION = 5
_NUMBER = re.compile(
    r"(?<![\w.:+%€$£-])(?<![\d],)\d{1,5}[a-zA-Z]?(?:[/-]\d{1,4}[a-zA-Z]?)?(?![\w%€$£])(?![.,:/-]\d)"
)
_TO_NUMBER = re.compile(
    r"(?:,[ \u00a0]?|[ \u00a0])(?:(?:n[.º°]|nr\.?|no\.|n[º°]|č\.(?:\s?p\.)?|αρ\.?|№|núm\.?|br\.)\s?)?$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_](?:[\w’'/-]|\.(?=\w))*\.?")
_AFTER_NUMBER = re.compile(r"(?:\s?(?:bis|ter|quater)\b)?,?\s", re.IGNORECASE)
_ORDINAL = re.compile(r"\d{1,3}(?:st|nd|rd|th)$", re.IGNORECASE)
_CONNECTORS = frozenset(
    [
        "de",
        "del",
        "della",
        "delle",
        "dei",
        "degli",
        "dell",
        "des",
        "du",
        "da",
        "do",
        "das",
        "dos",
        "di",
        "la",
        "le",
        "les",
        "las",
        "los",
        "el",
        "lo",
        "l",
        "d",
        "al",
        "of",
        "y",
        "e",
        "i",
        "von",
        "van",
        "der",
        "den",
        "dem",
        "zu",
        "zur",
        "zum",
        "het",
        "'t",
        "ta",
        "tal",
        "il",
        "na",
        "nad",
        "pod",
        "św",
        "dr",
        "gen",
        "ks",
        "prof",
        "gróf",
        "sv",
        "sf",
    ]
)
_NO_STREET = frozenset(
    [
        "mile",
        "miles",
        "minute",
        "minutes",
        "min",
        "hour",
        "hours",
        "day",
        "days",
        "km",
        "block",
        "blocks",
        "lane",
        "man",
        "way",
        "bedroom",
        "more",
        "other",
    ]
)
_TAIL = regex.compile(
    r"(?:,?\s\d{1,2}\.?[ºª°](?:\s?\p{Lu}\b)?)?"
    r"(?:,?\s(?:\p{Lu}{1,3}[- ])?(?:\d{2}-\d{3}|\d{3,5}(?:[ -]?(?:\d{2,3}|\p{Lu}{2}))?)"
    r"\s\p{Lu}[\w’'-]+(?:[ -]\p{Lu}[\w’'-]+){0,2})?"
)
_US_TAIL = (
    r"(?P<unit>,?\s(?:(?:apt|apartment|suite|ste|unit|flat|floor)\b\.?\s?#?|#\s?)\w{1,6}\b)?"
    r"(?P<town>,?\s\p{Lu}[\w’'.-]*(?:\s\p{Lu}[\w’'.-]*){0,2},?\s\p{Lu}{2}\s\d{5}(?:-\d{4})?\b)?"
)
_US_TAILS = (regex.compile(_US_TAIL.replace("(?:(?:apt", "(?i:(?:apt")), regex.compile(_US_TAIL, regex.I))


class Street(NamedTuple):
    """An address.

    Attributes:
        start: position of its first character.
        end: one past the position of its last character.
        score: confidence, 0 to 1.
    """

    start: int
    end: int
    score: float


def find_streets(text: str, knowledge: Knowledge) -> Iterator[Street]:
    """Yield the street addresses of a text, some of them perhaps twice."""
    if has_ideographs(text):
        yield from _by_shape(text, knowledge)
    for number in _NUMBER.finditer(text) if knowledge.may_have_street(text) else ():
        yield from _Place(text, number, knowledge).find()


def _by_shape(text: str, knowledge: Knowledge) -> Iterator[Street]:
    for language in knowledge.languages.values():
        for shape in language.address_shapes:
            for match in re.finditer(shape, text):
                begin = match.start() + knowledge.address.end_in(match[0])
                yield Street(begin, match.end(), LIKELY)


class _Place:
    """A number that may be a house number, and what stands beside it."""

    def __init__(self, text: str, number: re.Match[str], knowledge: Knowledge) -> None:
        self._text, self._number, self._known = text, number, knowledge
        self._voted: frozenset[str] | None = None
        self._cue: bool | None = None

    def find(self) -> Iterator[Street]:
        head = self._text[max(0, self._number.start() - 3) : self._number.start()].rstrip(" ,\u00a0")
        start = self._before() if head and not head[-1].isdigit() else None
        if start is not None:
            tail = _TAIL.match(self._text, self._number.end())
            yield self._street(start, tail.end())
        words = self._following()
        end = self._behind(words)
        if end is not None:
            yield self._street(self._number.start(), _TAIL.match(self._text, end).end())
        yield from self._numbered(words)

    def _street(self, start: int, end: int) -> Street:
        return Street(start, end, SURE if self._has_cue() else LIKELY)

    def _has_cue(self) -> bool:
        if self._cue is None:
            place = self._number.span()
            self._cue = bool(self._known.address.near(self._text, *place, words_before=8, words_after=5))
        return self._cue

    def _fits(self, languages: frozenset[str], *, strictly: bool = False) -> bool:
        """Return whether the text may be in one of some languages, or speaks of an address."""
        if self._voted is None:
            self._voted = self._known.vote(self._text)
        if languages & self._voted or self._has_cue():
            return True
        return not strictly and not self._voted

    def _before(self) -> int | None:
        """Return where an address begins that ends with this number."""
        begin = max(0, self._number.start() - _REACH)
        head = self._text[begin : self._number.start()]
        gap = _TO_NUMBER.search(head)
        if gap is None:
            return None
        words = _chain(list(_TOKEN.finditer(head, 0, gap.start()))[-_MOST_WORDS:], head, gap.start())
        if not words:
            return None
        at = self._by_ending(words)
        if at is None:
            at = self._by_kind_after(words)
        if at is None:
            at = self._by_kind_before(words)
        if at is None:
            at = self._by_weak_word(words)
        return None if at is None else begin + words[at].start()

    def _by_ending(self, words: list[re.Match[str]]) -> int | None:
        last, key = words[-1][0], _key(words[-1][0])
        if key in self._known.excluded or not (last[0].isupper() or self._has_cue()):
            return None
        for length in range(len(key) - 3, 2, -1):
            languages = self._known.endings.get(key[-length:])
            if languages and (length > _SHORT or self._fits(languages)):
                return len(words) - 1
        return None

    def _by_kind_after(self, words: list[re.Match[str]]) -> int | None:
        kind = _key(words[-1][0])
        languages = self._known.after.get(kind)
        if languages is None or len(words) < 2 or (len(kind) == 1 and not words[-1][0].endswith(".")):
            return None
        at = len(words) - 1
        while at and at > len(words) - 4 and self._is_name(words[at - 1][0]):
            at -= 1
        return at if at < len(words) - 1 and self._fits(languages) else None

    def _is_name(self, word: str) -> bool:
        key = _key(word)
        if not (word[0].isupper() or self._has_cue()) or self._known.address.of(key):
            return False
        return not self._known.is_common(key) and key not in self._known.weak

    def _by_kind_before(self, words: list[re.Match[str]]) -> int | None:
        named = False
        for at in range(len(words) - 1, -1, -1):
            word, key = words[at][0], _key(words[at][0])
            languages = self._known.before.get(key)
            if languages and named and self._may_stand_before(word, key, languages):
                return at
            if word[0].isupper() or word.isdigit():
                named = named or not word.isdigit()
            elif key not in _CONNECTORS and not (len(words) - at <= 2 and self._names_in_small(key)):
                return None
            else:
                named = named or key not in _CONNECTORS
        return None

    def _names_in_small(self, key: str) -> bool:
        """Return whether a word in small letters may name a street: not "lives" in "Kristina Estrada lives at 184"."""
        return self._has_cue() and not self._known.address.of(key) and not self._known.is_common(key)

    def _may_stand_before(self, word: str, key: str, languages: frozenset[str]) -> bool:
        sure = len(key) > 3 and word[0].isupper() and key not in self._known.numbered
        return sure or self._fits(languages, strictly=len(key) < 3 and not word.endswith((".", "/")))

    def _by_weak_word(self, words: list[re.Match[str]]) -> int | None:
        for at in range(len(words) - 2, max(-1, len(words) - 4), -1):
            languages = self._known.weak.get(_key(words[at][0]))
            if languages and words[at][0][0].isupper() and words[-1][0][0].isupper():
                month = _key(words[-1][0]) in self._known.months
                return at if self._has_cue() and self._fits(languages) and not month else None
        return None

    def _behind(self, words: list[re.Match[str]]) -> int | None:
        """Return where an address ends that begins with this number and a kind of street."""
        if len(words) < 2:
            return None
        kind = _key(words[0][0])
        languages = self._known.before.get(kind)
        if languages is None or not self._fits(languages, strictly=len(kind) < 3):
            return None
        end = None
        for word in words[1:]:
            key = _key(word[0])
            capital = word[0][0].isupper() or (len(word[0]) > 2 and word[0][2:3].isupper())
            if capital or (end is None and self._has_cue() and key not in _CONNECTORS):
                end = word.end() - word[0].endswith(".")
            elif key not in _CONNECTORS and not word[0].isdigit():
                break
        return end

    def _following(self) -> list[re.Match[str]]:
        gap = _AFTER_NUMBER.match(self._text, self._number.end())
        if gap is None or not self._text[gap.end() : gap.end() + 1].isalnum():
            return []
        found: list[re.Match[str]] = []
        for word in _TOKEN.finditer(self._text, gap.end(), gap.end() + _REACH):
            if word.start() != (found[-1].end() + 1 if found else gap.end()) or len(found) > _MOST_WORDS:
                break
            if self._text[word.start() - 1] not in " \u00a0":
                break
            found.append(word)
            if _ends_sentence(word[0]):
                break
        return found

    def _numbered(self, words: list[re.Match[str]]) -> Iterator[Street]:
        """Yield an address of number, name and kind: "350 5th Ave", in capitals or in small letters too."""
        for at in range(min(len(words) - 1, 4), 0, -1):
            if _key(words[at][0]) not in self._known.numbered:
                continue
            names = [word[0] for word in words[:at]]
            spelt = [name for name in names if not _ORDINAL.match(name)]
            small = words[at][0].islower() or (bool(spelt) and all(name.islower() for name in spelt))
            tail = _US_TAILS[small].match(self._text, words[at].end())
            if words[at][0].endswith(".") and tail.end() == words[at].end():
                tail = _US_TAILS[small].match(self._text, words[at].end() - 1)
            if all(self._may_name(name) for name in names) and (
                not small or tail["unit"] or tail["town"] or self._has_cue()
            ):
                yield self._street(self._number.start(), tail.end())
                return

    def _may_name(self, word: str) -> bool:
        key = _key(word)
        if _ORDINAL.match(word):
            return True
        if key in _NO_STREET or not word[0].isalpha():
            return False
        return not self._known.is_common(key, "en")


def _chain(tokens: list[re.Match[str]], text: str, end: int) -> list[re.Match[str]]:
    """Return the last tokens that nothing but single blanks stands between."""
    for at in range(len(tokens) - 1, -1, -1):
        stop = tokens[at + 1].start() - 1 if at + 1 < len(tokens) else end
        apart = at + 1 < len(tokens) and (text[stop] not in " \u00a0" or _ends_sentence(tokens[at][0]))
        if tokens[at].end() != stop or apart:
            return tokens[at + 1 :]
    return tokens


def _ends_sentence(word: str) -> bool:
    """Return whether a word ends in a full stop and is too long for an abbreviation."""
    return word.endswith(".") and len(word) > _LONGEST_ABBREVIATION


def _key(word: str) -> str:
    return word.lower().rstrip(".")
