"""Scores raised by context words: Presidio's rule, without its work where no language model is loaded."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property

from presidio_analyzer import RecognizerResult
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts

from detectors.presidio.nlp import LocalNlpEngine

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


class Context:
    """The words of one text, made where they are asked for.

    Args:
        text: text of at most some thousand characters.
        nlp: the language step, loaded.
    """

    def __init__(self, text: str, nlp: LocalNlpEngine) -> None:
        self._text = text
        self._nlp = nlp

    @cached_property
    def artifacts(self) -> NlpArtifacts:
        """Presidio's tokens, lemmas and named entities."""
        return self._nlp.process_text(self._text, self._nlp.language)

    def raised(self, result: RecognizerResult, words: Sequence[str]) -> float:
        """Return the score of a result, raised where one of `words`, in lower case, is near it."""
        if not words or result.score >= _RULE.MAX_SCORE or not self._near(result, words):
            return float(result.score)
        score = max(result.score + _RULE.context_similarity_factor, _RULE.min_score_with_context_similarity)
        return float(min(score, _RULE.MAX_SCORE))

    def _near(self, result: RecognizerResult, words: Sequence[str]) -> bool:
        if self._nlp.model is not None:
            found = self._text[result.start : result.end]
            near: Iterable[str] = _RULE._extract_surrounding_words(self.artifacts, found, result.start)
        elif not any(word in self._lowered for word in words):  # the lemma is the token itself
            return False
        else:
            near = self._around(result.start)
        return not set(words).isdisjoint(near)

    @cached_property
    def _lowered(self) -> str:
        return self._text.lower()

    @cached_property
    def _tokens(self) -> tuple[list[int], list[str], set[str]]:
        """The positions where tokens end, their lower-case forms, and those that count as words."""
        ends, forms = self._nlp.tokens(self._text)
        counted = {part for form in forms if self._nlp.is_keyword(form) for part in form.split(":")}
        return ends, forms, counted

    def _around(self, position: int) -> set[str]:
        """Return the words that `ContextRule` looks at: the token at `position`, and those on either side."""
        ends, forms, counted = self._tokens
        here = bisect_right(ends, position)
        return {*_first(forms[here::-1], counted), *_first(forms[here:], counted)}


def _first(forms: Iterable[str], counted: set[str]) -> list[str]:
    found: list[str] = []
    for form in forms:
        if form in counted:
            found.append(form)
            if len(found) > CONTEXT_WORDS:
                break
    return found
