"""Names of people who are in no register, told by their shape: evidence that a secret may be somebody else's.

It needs neither a model nor a list of names: two capitalised words may name a person, unless a word among them or
beside them says that they are a sentence's beginning, a heading, a place, an organisation or a date.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import regex  # type: ignore[import-untyped]

from detectors.people.words import (
    COMMON,
    EMPLOYED,
    HAVING,
    HAVING_GERMAN,
    NAMING_GERMAN,
    NOUN_ENDINGS,
    ORGANISATIONS,
    PARTICLES,
    PLACED,
    PLACES,
    PLACES_FIRST,
    PLACES_LAST,
    PLACING,
    POSTNOMINALS,
    STREETS_OR_SURNAMES,
    SURNAMES_TOO,
    THINGS_OF_PEOPLE,
    TITLES,
)

MOST_WORDS = 5
"""Words of a name, particles not counted. What has more is a heading."""
NOUNS_CAPITALISED = frozenset({"de", "lb"})
"""Languages that capitalise every noun: there the words beside a name must speak for it."""
CASELESS = frozenset(
    {"am", "ar", "bn", "fa", "gu", "he", "hi", "ja", "ka", "kn", "ko", "ml", "mr", "ne", "ta", "te", "th", "ur", "zh"}
)  # fmt: skip
"""Languages whose letters have no case: there, as in any text that is mostly in such letters, a form of address must
stand beside a name."""


class Shape(NamedTuple):
    """A place where a text may name a person.

    Attributes:
        start: position of the first character, 0-based.
        end: one past the position of the last character, without a possessive's ending.
        words: the words of the name, without titles and particles; an initial may end in a full stop.
        is_name: whether it has the shape of a name; else it is a single word that something belongs to ("Colin's").
    """

    start: int
    end: int
    words: tuple[str, ...]
    is_name: bool = True


class Word(NamedTuple):
    """A capitalised word of a text.

    Attributes:
        text: the word, without a possessive's ending and without a full stop that ends a sentence.
        start: position of its first character, 0-based.
        possessive: whether it has a possessive's ending.
        ends: whether a sentence ends with it.
    """

    text: str
    start: int
    possessive: bool
    ends: bool

    @property
    def end(self) -> int:
        """One past the position of the last character."""
        return self.start + len(self.text)

    @property
    def folded(self) -> str:
        """The word in lower case, without a full stop."""
        return self.text.rstrip(".").casefold()

    @property
    def is_initial(self) -> bool:
        """Whether it is a letter, or ends in a full stop."""
        return self.text.endswith(".") or len(self.text) == 1


class Part(NamedTuple):
    """Capitalised words in a row that may be one name.

    Attributes:
        words: the words, without particles between them.
        title: a form of address before them.
        following: the capitalised word that ends them, which is no part of a name; None at the end of the run and of a
            sentence, and after a possessive.
    """

    words: tuple[Word, ...]
    title: Word | None
    following: Word | None

    @property
    def named(self) -> tuple[Word, ...]:
        """The words that may name somebody: all of them, without an article at the beginning."""
        return self.words[1:] if self.words and self.words[0].folded in _ARTICLES else self.words


class Run(NamedTuple):
    """All capitalised words in a row.

    Attributes:
        words: the words.
        parts: the parts that other words and the ends of sentences divide them into.
    """

    words: tuple[Word, ...]
    parts: tuple[Part, ...]


def _run(module: Any, upper: str, letter: str) -> Any:
    """Return the pattern of a run of capitalised words with the particles between them, for `re` or `regex`."""
    particles = "|".join(sorted(PARTICLES, key=len, reverse=True))
    rest = rf"(?:(?:\.-?[{upper}])*+\.|[{letter}]*+(?:['’ʼ-][{letter}]++)*+\.?+)(?![\w@])"
    gap = r"[ \t\u00a0]{1,3}+"
    word = rf"{gap}(?:(?:{particles}|['’]t){gap}){{0,3}}+(?:(?:al|el|d|l|t)['’-])?+[{upper}]{rest}"
    # The first letter, and then what may not stand before it: so the search skips to capitals.
    return module.compile(rf"[{upper}](?<![\w@/\\#_-].)(?<![\w@]['’.].){rest}(?:{word})*+")


_RUN = _run(regex, r"\p{Lu}\p{Lt}", r"\p{L}\p{M}")
_ASCII_RUN = _run(re, "A-Z", "A-Za-z")  # `re` is several times as fast
_PIECE = re.compile(r"[^ \t\u00a0]+")
_QUOTES = "\"'“”‘’«»()[]*_"

_DOTTED = TITLES | {"st", "jr"}
_NUMBER = re.compile(r"\d{1,5}[A-Za-z]?,?$")
_YEAR = re.compile(r"(?:19|20)\d\d,?$")
_AFTER_PLACE = re.compile(r",\s+([A-Z]{2})\b(?![.\w])(,?\s+\d{5}\b)?|\s*&")
_AFTER_POSSESSOR = re.compile(r"['’][sS]?[ \t]+\w")
_NEXT_WORD = re.compile(r",?\s+(\w+)")
_ENDS_NAME = re.compile(r"['’]|\s*[:(|\t\n]|\s*$|,?\s+[\d+]")

_PART = r"[\p{Lu}\p{Lt}][\p{L}\p{M}]++(?:['’-][\p{L}\p{M}]++)*+"
_MAY_BE_INVERTED = re.compile(r"[^\W\d_a-z](?<!\w.)[\w'’-]{0,40}+, {1,2}[^\W\d_a-z]")
_INVERTED = regex.compile(
    r"(?:^|[|\t;:(>*•]|(?<=[.!?])[ ]|(?<=\b(?:of|for|von|für|de|di|to|by))[ ])[ ]*+"
    rf"(?P<name>{_PART}(?:[ ]{_PART})?+,[ ]{{1,2}}{_PART}(?:[ ](?:\p{{Lu}}\.|{_PART}))?+)(?![\w@])"
    r"(?=[ ]{0,2}(?:[:|\t()\[=;–—-]|$|['’][sS]\b|[+\d]|[ ](?!(?:and|und|et|y|e|en)\b)\p{Ll}))",
    regex.MULTILINE,
)
_DIGITS_IN_LINE_BEFORE = re.compile(r"\d[^\n]*\n$")
_CASELESS_LETTER = regex.compile(r"\p{Lo}")
# Letters without case among letters that have it.
_FOREIGN = regex.compile(
    r"(?<![\p{Lo}\p{M}])[\p{Lo}--[ªº]][\p{Lo}\p{M}]++(?:[ ·・][\p{Lo}\p{M}]{2,}+){0,3}+", regex.V1
)
_ADDRESSED = regex.compile(
    r"(?P<name>[\p{Han}\p{Katakana}ー々]{1,8}?)(?=先生|女士|小姐|さん|様|氏|くん|ちゃん)|"
    r"(?P<name>\p{Hangul}{2,4})(?=[ ]?(?:씨|님))|"
    r"(?<!\p{Lo})(?:السيدة|السيد|الدكتورة|الدكتور|الأستاذة|الأستاذ|خانم|آقای|דוקטור|ד״ר|גברת|מר|גב['׳]|श्रीमती|श्री|डॉ[.]?|"
    r"คุณ|นางสาว|นาย|นาง)\s*(?P<name>[\p{Lo}\p{M}]{2,}+(?:\s[\p{Lo}\p{M}]{2,}+)?+)"
)
_ARTICLES = PARTICLES - {"abu", "ben", "bin", "i", "e", "y", "st"}


class Shapes:
    """The finder of shapes of names in the texts of a language. Its time grows with a text's length alone.

    Args:
        language: two-letter code of the texts' language.
        function_words: the language's commonest words, in lower case, besides those of `words.COMMON`.
    """

    def __init__(self, language: str = "en", function_words: Iterable[str] = ()) -> None:
        self._common = COMMON | set(function_words) - {"will", "may", "per"} - PARTICLES
        self._never_inverted = self._common | ORGANISATIONS | PLACES_LAST
        self._nouns_capitalised = language in NOUNS_CAPITALISED
        self._caseless = language in CASELESS

    def find(self, text: str, taken: Sequence[tuple[int, int]] = ()) -> list[Shape]:
        """Return the shapes, by position; one of "Surname, Given name" may overlap others.

        Args:
            text: text to look at.
            taken: places of known names and of secrets, by position, not overlapping: no shape that overlaps one of
                them is returned.
        """
        starts, ends = [start for start, _ in taken], [end for _, end in taken]

        def is_free(start: int, end: int) -> bool:
            index = bisect_right(ends, start)
            return index == len(ends) or starts[index] >= end

        found: list[Shape] = []
        for run in (_ASCII_RUN if text.isascii() else _RUN).finditer(text):
            words = run[0]
            if words.lower() in self._common:
                continue
            start, end = run.span()
            index = bisect_right(ends, start)
            is_known = index < len(ends) and starts[index] <= start and end <= ends[index]
            if not is_known and (" " in words or not words.isalpha() or _has(text, end)):
                found += self._in_run(text, words, start, is_free)
        if _MAY_BE_INVERTED.search(text):
            found += (shape for shape in self._inverted(text) if is_free(shape.start, shape.end))
        if not text.isascii():
            pattern, group = (_ADDRESSED, "name") if self._is_caseless(text) else (_FOREIGN, 0)
            places = (match.span(group) for match in pattern.finditer(text))
            found += (Shape(start, end, (text[start:end],)) for start, end in places if is_free(start, end))
        return sorted(found)

    def _is_caseless(self, text: str) -> bool:
        letters = sum(map(str.isalpha, text))
        return self._caseless or 2 * len(_CASELESS_LETTER.findall(text)) > letters

    def runs(self, text: str) -> Iterator[Run]:
        """Yield all capitalised words of a text, by position."""
        for run in (_ASCII_RUN if text.isascii() else _RUN).finditer(text):
            words = _words(text, run[0], run.start())
            yield Run(tuple(words), tuple(self._parts(words)))

    def _in_run(
        self, text: str, run: str, start: int, is_free: Callable[[int, int], bool]
    ) -> Iterator[Shape]:
        """Yield the shapes in a run of capitalised words."""
        for part in self._parts(_words(text, run, start)):
            yield from self._judged(text, part, is_free)

    def _parts(self, words: Sequence[Word]) -> Iterator[Part]:
        """Yield the parts that common words and the ends of sentences divide capitalised words into."""
        part: list[Word] = []
        title: Word | None = None
        for word in words:
            folded = word.folded
            is_title = folded in TITLES and not (part and word is words[-1] and not word.text.endswith("."))
            if is_title or self._divides(word, part or title):
                if part:
                    yield Part(tuple(part), title, word)
                part, title = [], word if is_title else None
                continue
            part.append(word)
            if word.possessive or word.ends:
                yield Part(tuple(part), title, None)
                part, title = [], None
        if part:
            yield Part(tuple(part), title, None)

    def _divides(self, word: Word, before: Sequence[Word] | Word | None) -> bool:
        if self._nouns_capitalised and word.folded.endswith(NOUN_ENDINGS):
            return True
        if word.text.endswith(".") or word.folded not in self._common:
            return False
        return not (word.folded in SURNAMES_TOO if before else word.folded in PLACES_FIRST)

    def _judged(self, text: str, part: Part, is_free: Callable[[int, int], bool]) -> Iterator[Shape]:
        named, start, end = part.named, part.words[0].start, part.words[-1].end
        if len(named) == 2 and len(named[1].text) == 1:  # a town's district, a column's head
            return
        if all(word.is_initial for word in named) or not is_free(start, end):
            return
        shape = Shape(start, end, tuple(word.text for word in named))
        if part.title:
            yield shape
        elif len(named) == 1:
            if _owns(text, named[0]):
                yield shape._replace(is_name=False)
        elif self.may_be_name(text, part):
            yield shape

    def may_be_name(self, text: str, part: Part, *, listed: bool = False) -> bool:
        """Return whether nothing in capitalised words and beside them says that they are no name.

        Args:
            text: the text.
            part: the words.
            listed: whether they begin with a given name, before which "the" may stand.
        """
        return (
            len(part.named) <= MOST_WORDS
            and not _is_thing(part.words, part.named)
            and self._stands_free(text, part.words, listed=listed)
        )

    def _stands_free(self, text: str, part: Sequence[Word], *, listed: bool = False) -> bool:
        """Return whether the words beside capitalised words let them be a name."""
        start, last = part[0].start, part[-1]
        before = words_before(text, start)
        is_number = bool(before and _NUMBER.match(before[-1]))
        if is_number and (last.folded in STREETS_OR_SURNAMES or not _YEAR.match(before[-1])):
            return False
        after = _AFTER_PLACE.match(text, last.end)
        if after and (after[1] not in POSTNOMINALS or after[2]):
            return False
        if not last.possessive and _is_placing(before) and not (listed and before[-1].casefold() == "the"):
            return False
        if not self._nouns_capitalised or last.possessive or _ENDS_NAME.match(text, last.end):
            return True
        if before and (before[-1] in NAMING_GERMAN or before[-1][-1] in ":,;-–|"):
            return True
        following = _NEXT_WORD.match(text, last.end)
        return bool(following and (following[1] in HAVING_GERMAN or _genitive(last, following[1])))

    def _inverted(self, text: str) -> Iterator[Shape]:
        """Yield the shapes of "Surname, Given name"."""
        for match in _INVERTED.finditer(text):
            family, given = match["name"].split(",")
            words = (*given.split(), *family.split())
            folded = {word.casefold() for word in words}
            is_state = len(given.strip()) == 2 and given.isupper()
            if is_state or not folded.isdisjoint(self._never_inverted):
                continue
            start, end = match.span("name")
            is_last = text[end : end + 1] in ("", "\n")
            line_before = text[max(0, match.start() - 80) : match.start()]
            if not (is_last and _DIGITS_IN_LINE_BEFORE.search(line_before)):  # else the end of an address
                yield Shape(start, end, words)


def _words(text: str, run: str, start: int) -> list[Word]:
    """Return the words of a run, without the lower-case particles between them."""
    words: list[Word] = []
    for piece in _PIECE.finditer(run):
        word = piece[0]
        if word in PARTICLES or word[1:] == "t":
            continue
        ends = word.find(".") == len(word) - 1 > 1 and word[:-1].casefold() not in _DOTTED
        word = word[:-1] if ends else word
        after = text[start + piece.end() : start + piece.end() + 2]
        possessive = word[-2:-1] in ("'", "’") and word[-1] in "sS"
        bare = word[:-2] if possessive else word
        possessive |= word[-1] in "sxz" and after[:1] in ("'", "’") and not after[1:].isalnum()
        words.append(Word(bare, start + piece.start(), possessive, ends))
    return words


def words_before(text: str, start: int) -> list[str]:
    """Return the last words of a line before a position, without quotes and brackets around them."""
    line = text[max(0, start - 40) : start].rpartition("\n")[2]
    return [word for each in line.split() if (word := each.strip(_QUOTES))]


def _is_placing(before: Sequence[str]) -> bool:
    """Return whether words lead to a place or an organisation: "in", "moved to", "city of", "works for"."""
    if not before:
        return False
    last, earlier = before[-1].casefold(), before[-2].casefold() if len(before) > 1 else ""
    if last in PLACING or last == "&":
        return True
    if last in ("of", "from", "to"):
        return earlier.startswith(PLACED)
    return last in ("for", "by", "with") and earlier.startswith(EMPLOYED)


def _owns(text: str, word: Word) -> bool:
    """Return whether a single word stands where who has something does: "Eve's card", "the card of Eve is"."""
    if word.possessive:
        return _AFTER_POSSESSOR.match(text, word.end) is not None
    if not _has(text, word.end):
        return False
    before = words_before(text, word.start)
    if not before or before[-1][-1] in ".!?|":
        return True
    return len(before) > 1 and before[-1] in ("of", "for") and before[-2].casefold() in THINGS_OF_PEOPLE


def _has(text: str, end: int) -> bool:
    """Return whether what a single word needs to be somebody follows: a verb of having, or an apostrophe."""
    following = _NEXT_WORD.match(text, end)
    return following[1] in HAVING if following else text[end : end + 1] in ("'", "’")


def _genitive(last: Word, following: str) -> bool:
    """Return whether a name in the German genitive stands before what belongs to it: "Eva Blums Nummer"."""
    return last.text[-1] in "sxz" and following[0].isupper()


def _is_thing(part: Sequence[Word], named: Sequence[Word]) -> bool:
    """Return whether capitalised words are an organisation or a place by one of them."""
    folded = [word.folded for word in part]
    last = folded[-1]
    return (
        not ORGANISATIONS.isdisjoint(folded)
        or folded[0] in PLACES_FIRST
        or last in PLACES_LAST
        or (last in STREETS_OR_SURNAMES and len(named) > 2)
        or any("_".join(pair) in PLACES for pair in pairwise(folded))
    )
