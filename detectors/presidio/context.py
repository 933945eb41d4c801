"""Scores raised by context words: Presidio's rule, on words whose form no language model decides."""

from bisect import bisect_right
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from presidio_analyzer import RecognizerResult
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts

from detectors.corpus.headers import Cell, Tables
from detectors.presidio.nlp import LocalNlpEngine
from detectors.presidio.words import roots, uninflected, words_of

CONTEXT_WORDS = 5


class ContextRule(LemmaContextAwareEnhancer):  # type: ignore[misc]
    """Presidio's rule for context words, with whole words on both sides.

    As part of a word, "lic" makes the "m2" of "public key m2" a driver's licence. Words after a result count too:
    "(415) 555-0132 is the number to dial".
    """

    def __init__(self) -> None:
        super().__init__(
            context_prefix_count=CONTEXT_WORDS,
            context_suffix_count=CONTEXT_WORDS,
            context_matching_mode="whole_word",
        )


_RULE = ContextRule()


class ContextWords(NamedTuple):
    """The context words of a recognizer.

    Attributes:
        words: the words without their inflection.
        roots: what any form of them holds.
    """

    words: frozenset[str]
    roots: tuple[str, ...]

    @classmethod
    def of(cls, words: Iterable[str]) -> "ContextWords":
        """Return context words, whatever their case."""
        lowered = [word.lower() for word in words]
        return cls(frozenset(map(uninflected, lowered)), roots(lowered))


class Context:
    """The words of one text, made where they are asked for.

    In a table the header of the column is context, and of the rest the row alone.

    Args:
        text: text of at most some thousand characters.
        nlp: the language step, loaded.
        tables: the tables of the text that this one is a piece of.
        offset: position in that text where this one begins.
    """

    def __init__(self, text: str, nlp: LocalNlpEngine, tables: Tables | None = None, offset: int = 0) -> None:
        self._text = text
        self._nlp = nlp
        self._tables = tables
        self._offset = offset

    @cached_property
    def artifacts(self) -> NlpArtifacts:
        """Presidio's tokens, lemmas and named entities."""
        return self._nlp.process_text(self._text, self._nlp.language)

    def header(self, result: RecognizerResult, words: ContextWords) -> str:
        """Return the header of a result's column; empty where there is none, or one of `words` is in it."""
        cell = self._cell(result)
        return "" if cell is None or _holds(cell.header, words) else cell.header

    def _cell(self, result: RecognizerResult) -> Cell | None:
        return self._tables.at(result.start + self._offset) if self._tables else None

    def raised(self, result: RecognizerResult, words: ContextWords) -> float:
        """Return the score of a result, raised where one of `words` is near it."""
        if not words.words or result.score >= _RULE.MAX_SCORE or not self.is_near(result, words):
            return float(result.score)
        score = max(result.score + _RULE.context_similarity_factor, _RULE.min_score_with_context_similarity)
        return float(min(score, _RULE.MAX_SCORE))

    def is_near(self, result: RecognizerResult, words: ContextWords) -> bool:
        """Return whether one of `words` is near a result, or in the header of its column."""
        cell = self._cell(result)
        if cell is not None and _holds(cell.header, words):
            return True
        if not any(root in self._lowered for root in words.roots):
            return False
        start, end = (0, len(self._text)) if cell is None else (at - self._offset for at in cell.row)
        return any(not words.words.isdisjoint(near) for near in self._around(result.start, start, end))

    @cached_property
    def _lowered(self) -> str:
        return self._text.lower().replace(".", "")

    @cached_property
    def _tokens(self) -> tuple[list[int], list[str], set[str]]:
        """The positions where tokens end, the tokens, and those that count as words."""
        ends, tokens = self._nlp.tokens(self._text)
        return ends, tokens, set(filter(self._nlp.is_keyword, tokens))

    def _around(self, position: int, start: int, end: int) -> Iterable[frozenset[str]]:
        """Yield the words that `ContextRule` looks at: the token at `position`, and those on either side.

        Args:
            position: position of a result.
            start: position from which on tokens count.
            end: one past the position up to which they do.
        """
        ends, tokens, counted = self._tokens
        here = bisect_right(ends, position)
        first, last = bisect_right(ends, start), bisect_right(ends, end - 1)
        yield from _first(reversed(tokens[first : here + 1]), counted)
        yield from _first(tokens[here : last + 1], counted)


def _holds(header: str, words: ContextWords) -> bool:
    return any(not words.words.isdisjoint(words_of(word)) for word in header.split())


def _first(tokens: Iterable[str], counted: set[str]) -> Iterable[frozenset[str]]:
    count = 0
    for token in tokens:
        if token in counted:
            yield words_of(token)
            count += 1
            if count > CONTEXT_WORDS:
                return
