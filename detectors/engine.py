"""The Presidio engine of a policy: offline, bounded in time, and the same result every time.

Presidio is imported when an engine is built, as that takes seconds.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.fact import Span
from detectors.overlaps import RIVAL_SCORE, RIVALS, resolve_overlaps
from detectors.register import Register
from detectors.sentences import Sentences, split_sentences
from policies import EntityRule, Policy

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine
    from spacy.language import Language

NAMED_ENTITIES = ("LOCATION", "NRP", "ORGANIZATION", "PERSON")
CHUNK_CHARACTERS = 1_000
OVERLAP_CHARACTERS = 128
REGEX_TIMEOUT_SECONDS = 5
CONTEXT_WORDS = 5
_CUT = "incompletely scanned: more than 1,000 characters without a space"
_TIMED_OUT = "incompletely scanned: a pattern ran out of time"
_FAILED = "incompletely scanned: a recognizer failed with "
# Dot leaders, rules and table borders: 4 kB of them keep Presidio's URL pattern busy for seven seconds.
_ORNAMENT = re.compile(r"(?:[^\w\s]\s?){24,}")
# Presidio's scores are sums of two-digit decimals in binary.
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What an engine found in one text.

    Attributes:
        spans: of the policy's entity types, by position, not overlapping.
        sentences: of the text.
        problems: why the text may not be completely scanned; empty where it is.
    """

    spans: tuple[Span, ...]
    sentences: Sentences
    problems: tuple[str, ...]


class Engine:
    """Presidio with a policy's recognizers and a register of names.

    Args:
        policy: entity types, score thresholds, patterns and context words.
        register: names of data subjects, recognized as PERSON.
        pipeline: a spaCy pipeline to use instead of an installed or a blank one.

    Attributes:
        coverage: for each entity type of the policy, the names of its recognizers.
        model: the named entity model at work, or None.

    Raises:
        PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
    """

    def __init__(self, policy: Policy, register: Register, pipeline: "Language | None" = None) -> None:
        self._language = policy.language
        self._thresholds = {entity_type: rule.score for entity_type, rule in policy.entities.items()}
        rivals = {rival for entity_type in policy.entities for rival in RIVALS.get(entity_type, ())}
        self._rivals = rivals - set(policy.entities)
        rules = {**policy.entities, **{rival: EntityRule() for rival in sorted(self._rivals)}}
        self._engine, self.model = _build(rules, policy.language, register, pipeline)
        found: dict[str, list[str]] = {entity_type: [] for entity_type in (*rules, "PERSON")}
        for recognizer in self._engine.registry.recognizers:
            for entity_type in recognizer.supported_entities:
                found.setdefault(entity_type, []).append(recognizer.name)
        self.coverage = {entity_type: tuple(sorted(found[entity_type])) for entity_type in policy.entities}
        # Names only matter to the engine where something else might be taken for one. And, asked for a type
        # that no recognizer finds, Presidio would log a warning for every text.
        asked = {*rules, "PERSON"} if self.model else set(rules)
        self._entities = sorted(entity_type for entity_type in asked if found[entity_type])

    def scan(self, text: str) -> Scan:
        """Find the policy's entity types in a text of any length."""
        sentences = split_sentences(text)
        quiet = _ORNAMENT.sub(lambda match: " " * len(match[0]), text)
        spans: set[Span] = set()
        problems: dict[str, None] = {}
        with _time_outs() as timed_out:
            for start, end, cut in _chunks(quiet, sentences):
                found, failed = self._analyze(quiet[start:end])
                spans.update(_shift(found, start, text))
                problems |= dict.fromkeys([_CUT] if cut else ())
                problems |= dict.fromkeys([_FAILED + failed] if failed else ())
        problems |= dict.fromkeys([_TIMED_OUT] if timed_out else ())
        personal = (span for span in resolve_overlaps(spans) if span.entity_type in self._thresholds)
        return Scan(spans=tuple(personal), sentences=sentences, problems=tuple(problems))

    def _analyze(self, text: str) -> tuple[list[Span], str | None]:
        """The spans above their thresholds in one chunk, and the kind of a recognizer's failure."""
        if not self._entities or not text.strip():
            return [], None
        try:
            results = self._engine.analyze(text, self._language, self._entities, score_threshold=0)
        except (
            Exception
        ) as error:  # one document that upsets a recognizer must not lose the others: it is reported
            return [], type(error).__name__
        spans = (
            Span(start=r.start, end=r.end, entity_type=r.entity_type, score=round(float(r.score), 6))
            for r in results
        )
        return [span for span in spans if span.score >= self._threshold(span.entity_type) - _TOLERANCE], None

    def _threshold(self, entity_type: str) -> float:
        return self._thresholds.get(entity_type, RIVAL_SCORE)


def _build(
    rules: dict[str, EntityRule], language: str, register: Register, pipeline: "Language | None"
) -> tuple["AnalyzerEngine", str | None]:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer

    from detectors.nlp import LocalNlpEngine
    from detectors.recognizers import RegisterRecognizer, named_entity_recognizer, recognizers_for

    nlp = LocalNlpEngine(language, pipeline)
    nlp.load()
    recognizers = [
        recognizer
        for entity_type, rule in rules.items()
        for recognizer in recognizers_for(entity_type, rule, language)
    ]
    recognizers.append(RegisterRecognizer(register, language))
    if nlp.model and set(rules) & set(NAMED_ENTITIES):
        recognizers.append(named_entity_recognizer(language))
    engine = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers, supported_languages=[language]),
        nlp_engine=nlp,
        supported_languages=[language],
        # Whole words: as part of a word, "lic" makes the "m2" of "public key m2" a driver's licence.
        # Words behind count too: "(415) 555-0132 is the number to dial".
        context_aware_enhancer=LemmaContextAwareEnhancer(
            context_prefix_count=CONTEXT_WORDS,
            context_suffix_count=CONTEXT_WORDS,
            context_matching_mode="whole_word",
        ),
    )
    return engine, nlp.model


def _chunks(text: str, sentences: Sentences) -> Iterator[tuple[int, int, bool]]:
    """Pieces of at most `CHUNK_CHARACTERS`: (start, end, whether a run without a space was cut).

    Sentences are kept whole where they fit. Presidio's work grows with the square of a text's length, so that
    pieces are also faster than the whole.
    """
    start = end = 0
    for index in range(len(sentences)):
        sentence_start, sentence_end = sentences.bounds(index)
        if sentence_end - start > CHUNK_CHARACTERS and end > start:
            yield start, end, False
            start = end
        if sentence_end - max(start, sentence_start) > CHUNK_CHARACTERS:
            yield from _cut(text, start, sentence_end)
            start = sentence_end
        end = sentence_end
    if end > start:
        yield start, end, False


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Pieces of one over-long sentence, overlapping so that no secret with spaces in it falls between two."""
    while end - start > CHUNK_CHARACTERS:
        limit = start + CHUNK_CHARACTERS
        space = text.rfind(" ", start + OVERLAP_CHARACTERS, limit)
        stop = limit if space < 0 else space
        yield start, stop, space < 0
        back = text.find(" ", stop - OVERLAP_CHARACTERS, stop)
        start = stop if space < 0 or back < 0 else back
    yield start, end, False


def _shift(spans: list[Span], offset: int, text: str) -> Iterator[Span]:
    """The spans in the whole text, without white space at their ends."""
    for span in spans:
        start, end = span.start + offset, span.end + offset
        secret = text[start:end]
        start += len(secret) - len(secret.lstrip())
        end -= len(secret) - len(secret.rstrip())
        if start < end:
            yield Span(start=start, end=end, entity_type=span.entity_type, score=span.score)


@contextmanager
def _time_outs() -> Iterator[list[str]]:
    """Notes patterns that ran out of time: Presidio drops their matches, and only logs it."""
    from presidio_analyzer import pattern_recognizer

    noted: list[str] = []

    def watch(record: logging.LogRecord) -> bool:
        if "timed out" in record.msg:
            noted.append(str(record.msg))
            return False
        return True

    logger = logging.getLogger("presidio-analyzer")
    seconds = pattern_recognizer.REGEX_TIMEOUT_SECONDS
    logger.addFilter(watch)
    pattern_recognizer.REGEX_TIMEOUT_SECONDS = min(seconds, REGEX_TIMEOUT_SECONDS)
    try:
        yield noted
    finally:
        pattern_recognizer.REGEX_TIMEOUT_SECONDS = seconds
        logger.removeFilter(watch)
