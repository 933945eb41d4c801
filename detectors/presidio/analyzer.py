"""Presidio's analysis of a short text, without the work that cannot find anything.

`AnalyzerEngine.analyze` runs its language step, every recognizer and a deep copy of all results on each text,
though most texts hold nothing. Here a recognizer runs where a necessary condition of its patterns holds, rivals
where there is something to explain away, and tokens are made where a context word stands in the text. Once
overlaps are resolved, the results are the same; a test compares them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import regex  # type: ignore[import-untyped]
from presidio_analyzer import EntityRecognizer, PatternRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from detectors.corpus.headers import Tables
from detectors.languages.knowledge import has_ideographs
from detectors.presidio.context import Context, ContextWords
from detectors.presidio.languages import BIRTH_DATES, IDENTITIES, PHONES, STREETS
from detectors.presidio.lookalikes import LOOKED_AT, is_called_otherwise, looks_otherwise
from detectors.presidio.nlp import LocalNlpEngine
from detectors.presidio.overlaps import GENERAL_TYPES

REGEX_TIMEOUT_SECONDS = 5
_DIGIT = regex.compile(r"\d")
Condition = Callable[[str, int], bool]
"""A condition on a text and the number of its digits."""

_PHONES = ("PhoneRecognizer", PHONES)
# What a text must have for Presidio's patterns to match at all, by the recognizer's name.
_NECESSARY: dict[str, Condition] = {
    "CreditCardRecognizer": lambda _, digits: digits >= 13,
    "DateRecognizer": lambda _, digits: digits >= 1,
    "EmailRecognizer": lambda text, _: "@" in text,
    "IbanRecognizer": lambda _, digits: digits >= 2,
    "IpRecognizer": lambda text, _: text.count(":") >= 2 or text.count(".") >= 3,
    "MacAddressRecognizer": lambda text, _: (
        max(text.count(":"), text.count("-")) >= 5 or text.count(".") >= 2
    ),
    "PhoneRecognizer": lambda _, digits: digits >= 7,
    "UkNinoRecognizer": lambda _, digits: digits >= 6,
    "UrlRecognizer": lambda text, _: "." in text,
    "UsItinRecognizer": lambda _, digits: digits >= 9,
    "UsLicenseRecognizer": lambda _, digits: digits >= 1,
    "UsPassportRecognizer": lambda _, digits: digits >= 8,
    "UsSsnRecognizer": lambda _, digits: digits >= 9,
    BIRTH_DATES: lambda _, digits: digits >= 3,
    IDENTITIES: lambda _, digits: digits >= 5,
    PHONES: lambda _, digits: digits >= 7,
    STREETS: lambda _, digits: digits >= 1,
}


class _Part(NamedTuple):
    """A recognizer, made ready.

    Attributes:
        recognizer: a recognizer of Presidio or of this package.
        may_find: condition on which the recognizer is worth running on a text.
        words: the recognizer's context words.
        own_words: those of them that no other number is called by.
        patterns: compiled patterns with their scores; none where the recognizer has its own way.
        ascii_patterns: the same, for which words are of ASCII letters alone.
    """

    recognizer: EntityRecognizer
    may_find: Condition
    words: ContextWords
    own_words: ContextWords
    patterns: tuple[tuple[Any, float], ...]
    ascii_patterns: tuple[tuple[Any, float], ...]


class Analysis(NamedTuple):
    """The analysis of one text.

    Attributes:
        results: results of all recognizers.
        timed_out: names of the recognizers of which a pattern ran out of time; what it found until then is there.
    """

    results: list[RecognizerResult]
    timed_out: tuple[str, ...]


class Analyzer:
    """Recognizers that run on one text after another.

    Args:
        wanted: recognizers whose finds count.
        rivals: recognizers whose finds only matter where a wanted one has found something.
        nlp: the language step, loaded.
        certain: function that tells whether a result is so good that no phone number is looked for in its place.
    """

    def __init__(
        self,
        wanted: Sequence[EntityRecognizer],
        rivals: Sequence[EntityRecognizer],
        nlp: LocalNlpEngine,
        certain: Callable[[RecognizerResult], bool],
    ) -> None:
        self._first = [_part(r) for r in wanted if r.name not in _PHONES]
        self._phones = sorted(
            (_part(r) for r in wanted if r.name in _PHONES),
            key=lambda part: _PHONES.index(part.recognizer.name),
        )
        general = [set(r.supported_entities) <= GENERAL_TYPES for r in rivals]
        self._rivals = [_part(r) for r, late in zip(rivals, general, strict=True) if not late]
        self._late_rivals = [_part(r) for r, late in zip(rivals, general, strict=True) if late]
        self._nlp = nlp
        self._certain = certain
        parts = (*self._first, *self._phones, *self._rivals, *self._late_rivals)
        nlp.context_words = frozenset().union(*(part.words.words for part in parts))

    def analyze(self, text: str, tables: Tables | None = None, offset: int = 0) -> Analysis:
        """Return everything the recognizers find, scored with context, without what lies in a find of its type.

        Args:
            text: a short text.
            tables: the tables of the document that the text is a piece of.
            offset: position in that document where the text begins.
        """
        timed_out: list[str] = []
        context = Context(text, self._nlp, tables, offset)
        digits = len(_DIGIT.findall(text))
        results = self._run(self._first, text, digits, context, timed_out)
        phones = [part for part in self._phones if part.may_find(text, digits)]
        if results or phones:
            results += self._run(self._rivals, text, digits, context, timed_out)
        if phones:
            # Eight regions are tried on digits that are no phone number: a card number found is not offered.
            rest = _without(text, [result for result in results if self._certain(result)])
            for part in phones:  # nor is what one of them has found to the next
                found = self._run([part], rest, len(_DIGIT.findall(rest)), context, timed_out)
                results += found
                rest = _without(rest, found)
        if any(result.entity_type in GENERAL_TYPES for result in results):  # they win over nothing else
            results += self._run(self._late_rivals, text, digits, context, timed_out)
        unique = EntityRecognizer.remove_duplicates(results) if len(results) > 1 else results
        return Analysis(unique, tuple(timed_out))

    def _run(
        self, parts: Sequence[_Part], text: str, digits: int, context: Context, timed_out: list[str]
    ) -> list[RecognizerResult]:
        results: list[RecognizerResult] = []
        ideographs = has_ideographs(text)
        for part in parts:
            if not part.may_find(text, digits):
                continue
            if part.patterns:
                found = _matches(part, text, timed_out, ideographs=ideographs)
            else:
                entities = part.recognizer.supported_entities
                artifacts = context.artifacts if isinstance(part.recognizer, SpacyRecognizer) else None
                found = part.recognizer.analyze(text, entities, artifacts) or []
            for result in found:
                result.score = context.raised(result, part.words)
            results += [
                result for result in found if not _is_lookalike(result, text, context, part.own_words)
            ]
        return results


def _without(text: str, results: Sequence[RecognizerResult]) -> str:
    """Return the text with the results blanked out."""
    for result in results:
        text = text[: result.start] + " " * (result.end - result.start) + text[result.end :]
    return text


def _part(recognizer: EntityRecognizer) -> _Part:
    necessary = _NECESSARY.get(recognizer.name, lambda _text, _digits: True)
    context = recognizer.context or ()
    words = ContextWords.of(context)
    own_words = ContextWords.of(word for word in context if word.lower() != "number")
    own_way = type(recognizer).analyze is not PatternRecognizer.analyze
    if not isinstance(recognizer, PatternRecognizer) or own_way:
        return _Part(recognizer, necessary, words, own_words, (), ())
    patterns, ascii_patterns = (
        tuple(
            (regex.compile(pattern.regex, flags=recognizer.global_regex_flags | flag), pattern.score)
            for pattern in recognizer.patterns
        )
        for flag in (0, regex.ASCII)
    )
    return _Part(recognizer, necessary, words, own_words, patterns, ascii_patterns)


def _is_lookalike(result: RecognizerResult, text: str, context: Context, words: ContextWords) -> bool:
    """Return whether a result is something else that looks like it."""
    entity_type, end = result.entity_type, result.end
    if entity_type not in LOOKED_AT:
        return False
    found = text[result.start : end]
    start = end - len(found.lstrip("([<{ "))
    if is_called_otherwise(entity_type, text, start, end, context.header(result, words)):
        return True
    return looks_otherwise(entity_type, text, start, end) and not context.is_near(result, words)


def _matches(part: _Part, text: str, timed_out: list[str], *, ideographs: bool) -> list[RecognizerResult]:
    """Return what Presidio's pattern recognizer finds, without an explanation of each find."""
    recognizer, (entity_type, *_) = part.recognizer, part.recognizer.supported_entities
    results: list[RecognizerResult] = []
    # Chinese has no blanks: "联系nora@example.org吧" is one word unless its letters are none.
    patterns = part.patterns + part.ascii_patterns if ideographs else part.patterns
    for expression, pattern_score in patterns:
        try:
            for match in expression.finditer(text, timeout=REGEX_TIMEOUT_SECONDS):
                score = _check_score(recognizer, match[0], pattern_score) if match[0] else 0.0
                if score > 0:
                    results.append(RecognizerResult(entity_type, match.start(), match.end(), score))
        except TimeoutError:
            timed_out.append(recognizer.name)
    return EntityRecognizer.remove_duplicates(results) if len(results) > 1 else results


def _check_score(recognizer: PatternRecognizer, found: str, score: float) -> float:
    """Return a pattern's score after the recognizer's own checks, such as check digits."""
    if recognizer.invalidate_result(found):
        return 0.0
    valid = recognizer.validate_result(found)
    return score if valid is None else float(bool(valid))
