"""The Presidio engine of a policy: offline, bounded in time, and the same result every time.

Presidio is imported when an engine is built, as that takes seconds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from detectors.corpus.headers import Tables
from detectors.fact import Span
from detectors.languages.knowledge import Knowledge, knowledge_of, known_languages
from detectors.people import Register
from detectors.people.listed import ListedNames
from detectors.people.sentences import Sentences, split_sentences
from detectors.people.shapes import NOUNS_CAPITALISED, Shapes
from detectors.presidio.imports import import_presidio
from detectors.presidio.overlaps import GENERAL_TYPES, NAMED_ENTITIES, RIVAL_SCORE, RIVALS, resolve_overlaps
from detectors.reading import Reading, readings
from policies import EntityRule, Policy
from policies.errors import PolicyError

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer, RecognizerResult
    from spacy.language import Language

    from detectors.presidio.analyzer import Analyzer
    from detectors.presidio.nlp import LocalNlpEngine

CHUNK_CHARACTERS = 1_000
OVERLAP_CHARACTERS = 128
VOTING_CHARACTERS = 2_000
_CUT = "incompletely scanned: more than 1,000 characters without a space"
_TIMED_OUT = "incompletely scanned: a pattern ran out of time"
_FAILED = "incompletely scanned: a recognizer failed with "
# Dot leaders, rules and table borders: 4 kB of them keep Presidio's URL pattern busy for seven seconds.
_ORNAMENT = re.compile(r"(?:[^\w\s]\s?){24,}")
_CLOSING = {"(": ")", "[": "]", "<": ">", "{": "}"}
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_BETWEEN_IDEOGRAPHS = re.compile(r"[぀-ヿ㐀-鿿、-〃，；：](?=[぀-ヿ㐀-鿿])")
# Presidio's scores are sums of two-digit decimals in binary.
_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Scan:
    """The findings of an engine in one text.

    Attributes:
        spans: spans of the policy's entity types, by position, not overlapping.
        sentences: the text's sentences.
        problems: reasons why the text may not be completely scanned; empty where it is.
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
        coverage: names of the recognizers of each entity type of the policy.
        model: name of the named entity model at work, or None.

    Raises:
        PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
    """

    def __init__(self, policy: Policy, register: Register, pipeline: "Language | None" = None) -> None:
        self._thresholds = {entity_type: rule.score for entity_type, rule in policy.entities.items()}
        rivals = {rival for entity_type in policy.entities for rival in RIVALS.get(entity_type, ())}
        self._analyzer, recognizers, self.model, function_words = _analyzer(
            policy.entities, rivals - set(policy.entities), policy, register, pipeline, self._certain
        )
        self._shapes = {policy.main_language: Shapes(policy.main_language, function_words)}
        self._function_words = function_words
        self._main, self._knowledge = policy.main_language, _knowledge(policy)
        found: dict[str, list[str]] = {entity_type: [] for entity_type in policy.entities}
        for recognizer in recognizers:
            for entity_type in recognizer.supported_entities:
                found.setdefault(entity_type, []).append(recognizer.name)
        self.coverage = {entity_type: tuple(sorted(found[entity_type])) for entity_type in policy.entities}

    @cached_property
    def names(self) -> ListedNames:
        """The finder of names by lists."""
        return ListedNames(self._main, self._function_words)

    def shapes(self, text: str) -> Shapes:
        """Return the finder of names of people who are in no register, in the language of a text.

        That is the policy's main language, but where the policy has others and the text is in one that capitalises
        every noun, as German does.
        """
        for code in sorted(NOUNS_CAPITALISED & self._knowledge.languages.keys() - {self._main}):
            voted = self._knowledge.vote(text[:VOTING_CHARACTERS])
            if code in voted and self._main not in voted:
                if code not in self._shapes:
                    self._shapes[code] = Shapes(code, self._knowledge.languages[code].common)
                return self._shapes[code]
        return self._shapes[self._main]

    def scan(self, text: str) -> Scan:
        """Find the policy's entity types in a text of any length."""
        sentences = split_sentences(text)
        spans: set[Span] = set()
        problems: dict[str, None] = {}
        for reading in readings(text):
            same = len(reading.text) == len(text)
            found = self._scan(reading, sentences if same else split_sentences(reading.text), problems)
            spans.update(found)
        personal = (span for span in resolve_overlaps(spans) if span.entity_type in self._thresholds)
        return Scan(spans=tuple(personal), sentences=sentences, problems=tuple(problems))

    def _scan(self, reading: Reading, sentences: Sentences, problems: dict[str, None]) -> Iterator[Span]:
        """Yield the spans of one reading, at their places in the document; add to the problems."""
        tables = Tables(reading.text)
        quiet = tables.parted(_ORNAMENT.sub(lambda match: " " * len(match[0]), reading.text))
        for start, end, cut in _chunks(quiet, sentences):
            found, problem = self._analyze(quiet[start:end], tables, start)
            problems |= dict.fromkeys([_CUT] if cut else ())
            problems |= dict.fromkeys([problem] if problem else ())
            yield from _placed(found, start, reading)

    def _analyze(self, text: str, tables: Tables, offset: int) -> tuple[list[Span], str | None]:
        """Return the spans above their thresholds in one chunk, and what kept others from being found."""
        try:
            results, timed_out = self._analyzer.analyze(text, tables, offset)
        except (
            Exception
        ) as error:  # one document that upsets a recognizer must not lose the others: it is reported
            return [], _FAILED + type(error).__name__
        spans = (
            Span(start=r.start, end=r.end, entity_type=r.entity_type, score=round(float(r.score), 6))
            for r in results
        )
        return [
            span for span in spans if self._counts(span.entity_type, span.score)
        ], _TIMED_OUT if timed_out else None

    def _certain(self, result: "RecognizerResult") -> bool:
        """Return whether a result counts and wins over every general type."""
        return result.entity_type not in GENERAL_TYPES and self._counts(result.entity_type, result.score)

    def _counts(self, entity_type: str, score: float) -> bool:
        return score >= self._threshold(entity_type) - _TOLERANCE

    def _threshold(self, entity_type: str) -> float:
        return self._thresholds.get(entity_type, RIVAL_SCORE)


def _analyzer(
    rules: Mapping[str, EntityRule],
    rivals: Iterable[str],
    policy: Policy,
    register: Register,
    pipeline: "Language | None",
    certain: "Callable[[RecognizerResult], bool]",
) -> "tuple[Analyzer, list[EntityRecognizer], str | None, frozenset[str]]":
    """Build the analyzer; return it, its recognizers, the named entity model's name and the language's stop words."""
    import_presidio(policy.ner)

    from detectors.presidio.analyzer import Analyzer
    from detectors.presidio.languages import language_recognizers
    from detectors.presidio.nlp import LocalNlpEngine
    from detectors.presidio.recognizers import ListedNameRecognizer, RegisterRecognizer, recognizers_for

    language = policy.main_language
    nlp = LocalNlpEngine(language, policy.ner, pipeline, policy.languages)
    nlp.load()
    knowledge = _knowledge(policy)
    wanted = [r for name, rule in rules.items() for r in recognizers_for(name, rule, language, knowledge)]
    wanted += language_recognizers(rules, knowledge, language)
    explaining = [r for name in sorted(rivals) for r in recognizers_for(name, EntityRule(), language)]
    named = set(rules) & set(NAMED_ENTITIES)
    models, model = _models(sorted({*named, "PERSON"}), policy, nlp) if named else ([], nlp.model)
    # A registered name only matters to the engine where something else might be taken for one.
    if model or "PERSON" in named:
        (wanted if "PERSON" in named else explaining).append(RegisterRecognizer(register, language))
    if "PERSON" in named:
        wanted.append(ListedNameRecognizer(language, nlp.stop_words))
    wanted.extend(models)
    analyzer = Analyzer(wanted, explaining, nlp, certain)
    return analyzer, [*wanted, *explaining], model, nlp.stop_words


def _knowledge(policy: Policy) -> Knowledge:
    """Return what is known of the policy's languages.

    Raises:
        PolicyError: nothing is known of one of several languages.
    """
    known = known_languages()
    languages = known if policy.languages is None else policy.languages
    unknown = [code for code in languages if code not in known]
    if unknown and len(languages) > 1:
        raise PolicyError(
            f"`language`: nothing is known of {', '.join(unknown)}", f"Use {', '.join(known)}, or remove it"
        )
    return knowledge_of(languages)


def _models(
    entity_types: list[str], policy: Policy, nlp: "LocalNlpEngine"
) -> "tuple[list[EntityRecognizer], str | None]":
    """Return the recognizers of the policy's named entity model, and its name."""
    if policy.ner.startswith("huggingface:"):
        from detectors.presidio.huggingface import LocalHuggingFaceRecognizer

        folder = policy.ner.removeprefix("huggingface:")
        model = LocalHuggingFaceRecognizer(folder, policy.main_language, entity_types)
        return [model], f"Hugging Face {Path(folder).name}"
    if nlp.model is None:
        return [], None
    from detectors.presidio.recognizers import named_entity_recognizer

    return [named_entity_recognizer(policy.main_language, entity_types)], nlp.model


def _chunks(text: str, sentences: Sentences) -> Iterator[tuple[int, int, bool]]:
    """Yield pieces of at most `CHUNK_CHARACTERS`: (start, end, whether a run without a space was cut).

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
    """Yield pieces of one over-long sentence, overlapping so that no secret with spaces in it falls between two."""
    while end - start > CHUNK_CHARACTERS:
        limit = start + CHUNK_CHARACTERS
        space = text.rfind(" ", start + OVERLAP_CHARACTERS, limit)
        between = (
            [] if space >= 0 else list(_BETWEEN_IDEOGRAPHS.finditer(text, limit - OVERLAP_CHARACTERS, limit))
        )
        if between:  # a language without blanks: the pieces overlap as well
            yield start, between[-1].end(), False
            start = max(between[-1].end() - OVERLAP_CHARACTERS, start + 1)
            continue
        stop = limit if space < 0 else space
        yield start, stop, space < 0
        back = text.find(" ", stop - OVERLAP_CHARACTERS, stop)
        start = stop if space < 0 or back < 0 else back
    yield start, end, False


def _placed(spans: Iterable[Span], offset: int, reading: Reading) -> Iterator[Span]:
    """Yield the spans in the whole document, without what is around a secret."""
    for span in spans:
        start, end = _bare(reading.text, span.start + offset, span.end + offset)
        if start < end:
            start, end = reading.place(start, end)
            yield Span(start=start, end=end, entity_type=span.entity_type, score=span.score)


def _bare(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the bounds of a secret without white space at its ends, and without brackets around or beside it."""
    while start < end:
        first, last = text[start], text[end - 1]
        if _is_around(text[start:end]):
            start, end = start + 1, end - 1
        elif first.isspace() or (first in _CLOSING and _is_open(text[start:end], first)):
            start += 1
        elif last.isspace() or (last in _OPENING and _is_open(text[start:end], _OPENING[last])):
            end -= 1
        else:
            break
    return start, end


def _is_open(text: str, opening: str) -> bool:
    """Return whether brackets of a kind do not come in pairs."""
    return text.count(opening) != text.count(_CLOSING[opening])


def _is_around(text: str) -> bool:
    """Return whether the first bracket closes with the last character, as in "(415-555-0132)"."""
    closing = _CLOSING.get(text[0])
    return closing == text[-1] and text.find(closing) >= text.rfind(text[0]) and text.count(closing) == 1
