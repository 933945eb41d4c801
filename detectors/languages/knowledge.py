"""The knowledge of languages, read from `data/` and joined for those of a policy."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field

from detectors.languages.check_digits import Check
from detectors.languages.cues import IDEOGRAPH, WORD, Cues
from policies.reading import StrictModel, build, parse_yaml

Words = tuple[str, ...]
_WORDS_FOR_A_LEAD = 3
_AROUND_WORDS = ".,;:!?()[]\"'“”„«»"
# What one of these scripts writes is in these languages; no words need to be counted.
_SCRIPTS = {
    "Han": re.compile(r"[一-龥]"),
    "Hiragana": re.compile(r"[ぁ-ヿ]"),
    "Cyrillic": re.compile(r"[а-яА-Я]{2}"),
    "Greek": re.compile(r"[α-ωΑ-Ω]{2}"),
}


class Streets(StrictModel):
    """The words of street addresses, in lower case, without full stops.

    Attributes:
        before: kinds of streets that stand before the name: "Calle Mayor 14", "12 rue des Lilas".
        after: kinds that stand between name and number: "Berliner Allee 12".
        endings: ends of names: "Hauptstraße 5".
        numbered: kinds that stand after number and name: "350 5th Ave".
        weak: first words of names that say nothing by themselves: "Am Markt 5".
        excluded: words that end like streets and are none.
    """

    before: Words = ()
    after: Words = ()
    endings: Words = ()
    numbered: Words = ()
    weak: Words = ()
    excluded: Words = ()


class Identity(StrictModel):
    """A kind of national identity number.

    Attributes:
        name: what its country calls it.
        shape: its form, as a regular expression.
        check: rule of its check digit.
        evidence: what must be there besides: `context`, a context word of the language; `language`, the same, or a
            text in that language; `none`, where form and check digit are enough.
    """

    name: str
    shape: str
    check: Check
    evidence: Literal["context", "language", "none"] = "context"


class Language(StrictModel):
    """One file of `data/`. Words are in lower case; a star at the end stands for any ending.

    Attributes:
        name: English name of the language.
        regions: countries whose national phone numbers are tried, as two-letter codes.
        script: script that nothing else here is written in.
        common: commonest words, by which the language of a text is told.
        months: names and short forms of each month, with blanks between.
        born: words that make a date near them a date of birth.
        maiden: those of them that stand before a name at birth as well, where they say nothing of a date.
        events: words of what else happens to people on a date: they die, they marry.
        born_marks: abbreviations that do so directly before a date.
        phone: context words of phone numbers.
        number: words for a number of any kind, which may be a phone's.
        address: context words of street addresses.
        identity: context words of identity numbers.
        numbers: words before numbers of other kinds, an order or an account, that are no words of English.
        streets: words of street addresses.
        phone_shapes: forms of national phone numbers that are known by themselves.
        address_shapes: forms of addresses as regular expressions.
        identities: national identity numbers.
    """

    name: str
    regions: Words = ()
    script: str = ""
    common: Words = ()
    months: Annotated[Words, Field(max_length=12)] = ()
    born: Words
    maiden: Words = ()
    events: Words = ()
    born_marks: Words = ()
    phone: Words
    number: Words = ()
    address: Words
    identity: Words
    numbers: Words = ()
    streets: Streets = Streets()
    phone_shapes: Words = ()
    address_shapes: Words = ()
    identities: tuple[Identity, ...] = ()


class Knowledge:
    """The knowledge of several languages as one.

    Args:
        languages: the languages by their two-letter codes.
    """

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self.languages = dict(languages)
        self.born = self._cues(lambda language: language.born)
        self.phone = self._cues(lambda language: language.phone)
        self.number = self._cues(lambda language: language.number)
        self.address = self._cues(lambda language: language.address)
        self.identity = self._cues(lambda language: language.identity)
        self.numbers = self._cues(lambda language: language.numbers)
        self.born_marks = frozenset(mark for one in languages.values() for mark in one.born_marks)
        self.events = self._cues(lambda language: language.events)
        self.maiden = frozenset(word for one in languages.values() for word in one.maiden)
        self.before = self._index(lambda language: language.streets.before)
        self.after = self._index(lambda language: language.streets.after)
        self.endings = self._index(lambda language: language.streets.endings)
        self.numbered = self._index(lambda language: language.streets.numbered)
        self.weak = self._index(lambda language: language.streets.weak)
        self.excluded = frozenset(word for one in languages.values() for word in one.streets.excluded)
        self._common = self._index(lambda language: language.common)
        self._scripts = [(code, _SCRIPTS[one.script]) for code, one in languages.items() if one.script]

    def may_have_street(self, text: str) -> bool:
        """Return whether a word of a text is one of street addresses: most texts are passed over here."""
        words = _words(text)
        if not self._street_words.isdisjoint(text.split()) or not self._street_words.isdisjoint(words):
            return True
        ends = self._street_ends
        return any(word[-3:] in ends or word[-4:] in ends for word in words)

    def may_have_birth(self, text: str) -> bool:
        """Return whether a word of a text may make a date one of birth: most texts are passed over here."""
        heads = self._born_heads
        return any(word[:3] in heads for word in _words(text)) or "*" in text or has_ideographs(text)

    @cached_property
    def _born_heads(self) -> frozenset[str]:
        words = (word for one in self.languages.values() for word in (*one.born, *one.born_marks))
        return frozenset(word.rstrip("*")[:3] for word in words)

    @cached_property
    def _street_words(self) -> frozenset[str]:
        """Kinds of streets, one-letter abbreviations with their full stop, and weak words with their capital."""
        kinds = {*self.before, *self.after, *self.numbered}
        dotted = {f"{kind}{end}" for kind in kinds if len(kind) == 1 for end in (".", ".,")}
        capitals = {kind.upper() for kind in dotted} | {word.capitalize() for word in self.weak}
        return frozenset({kind for kind in kinds if len(kind) > 1} | dotted | capitals)

    @cached_property
    def _street_ends(self) -> frozenset[str]:
        return frozenset(word[-4:] for word in self.endings)

    @cached_property
    def months(self) -> dict[str, int]:
        """Numbers of the months, from 1, by their names in lower case."""
        return {
            form: number
            for language in self.languages.values()
            for number, forms in enumerate(language.months, start=1)
            for form in forms.split()
        }

    def is_common(self, word: str, language: str = "") -> bool:
        """Return whether a word in lower case is one of the commonest of a language, of any by default."""
        return word in self._common and (not language or language in self._common[word])

    def vote(self, text: str) -> frozenset[str]:
        """Return the languages that a text is likely to be in; none where nothing tells.

        Its commonest words, of two letters or more, and its script decide. Languages that are one word behind
        the best, which has three or more, count as well, since neighbours share words.
        """
        scripts = [] if text.isascii() else self._scripts
        by_script = {code for code, script in scripts if script.search(text)}
        if {"ja", "zh"} <= by_script:
            by_script.remove("zh")  # Japanese is written in Han as well
        counts: dict[str, int] = {}
        for word in WORD.findall(text.lower()):
            for code in self._common.get(word, ()) if len(word) > 1 else ():
                counts[code] = counts.get(code, 0) + 1
        best = max(counts.values(), default=0)
        least = best - 1 if best >= _WORDS_FOR_A_LEAD else best
        return frozenset(by_script | {code for code, count in counts.items() if count >= least})

    def _cues(self, words: Callable[[Language], Words]) -> Cues:
        return Cues({code: words(language) for code, language in self.languages.items()})

    def _index(self, words: Callable[[Language], Words]) -> dict[str, frozenset[str]]:
        index: dict[str, frozenset[str]] = {}
        for code, language in self.languages.items():
            for word in words(language):
                index[word] = index.get(word, frozenset()) | {code}
        return index


@cache
def known_languages() -> tuple[str, ...]:
    """Return the two-letter codes of the languages that something is known of, in alphabetical order."""
    names = (entry.name for entry in resources.files("detectors.languages").joinpath("data").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


@cache
def knowledge_of(codes: tuple[str, ...]) -> Knowledge:
    """Return the knowledge of some languages; a language without a file adds nothing."""
    return Knowledge({code: _read(code) for code in codes if code in known_languages()})


@cache
def _read(code: str) -> Language:
    name = f"{code}.yaml"
    text = resources.files("detectors.languages").joinpath("data", name).read_text(encoding="utf-8")
    return build(Language, parse_yaml(text, name, "language"), name, "language")


@lru_cache(maxsize=4)
def _words(text: str) -> tuple[str, ...]:
    """Return the words of a text between blanks, in lower case and without signs around them."""
    return tuple(
        word.strip(_AROUND_WORDS) for word in text.lower().replace("-", " ").replace(":", " ").split()
    )


def has_ideographs(text: str) -> bool:
    """Return whether a text has Chinese or Japanese letters."""
    return not text.isascii() and IDEOGRAPH.search(text) is not None


def bounded(shapes: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of any of some shapes, in ASCII digits, that is part of no longer number or word."""
    alternatives = "|".join(f"(?:{shape})" for shape in sorted(shapes, key=len, reverse=True))
    # The look-ahead passes over words without a digit near their start, before every shape is tried there.
    return re.compile(
        rf"(?<![0-9A-Za-z_.,/+-])(?=[A-Za-z(]{{0,6}}[0-9])(?:{alternatives})(?![0-9A-Za-z_]|[-/.,]\d)",
        re.ASCII,
    )
