"""Presidio recognizers from a policy. Importing this module imports Presidio."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import presidio_analyzer
import regex  # type: ignore[import-untyped]
import tldextract
from phonenumbers import PhoneNumberMatcher
from presidio_analyzer import (
    AnalysisExplanation,
    EntityRecognizer,
    Pattern,
    PatternRecognizer,
    RecognizerResult,
    predefined_recognizers,
)
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import EmailRecognizer, PhoneRecognizer, SpacyRecognizer

from detectors.languages.knowledge import Knowledge
from detectors.languages.phones import CLUSTER, is_other_number
from detectors.languages.phones import LEAST_DIGITS as LEAST_PHONE_DIGITS
from detectors.people.listed import ListedNames, name_lists
from detectors.people.register import Register
from policies import EntityRule
from policies.entities import KNOWN_ENTITIES
from policies.errors import PolicyError

_DIGIT = re.compile(r"\d")
# "06.12.34" is no date where ".56.78" follows: that is a phone number.
_NOT_IN_PAIRS = r"(?<!\b\d\d[.-])(?:{})(?![.-]\d\d[.-]\d\d(?!\d))"
# Not in the public suffix list, and common in the text of organisations (RFC 2606, RFC 6762, RFC 9476).
PRIVATE_SUFFIXES = (
    "example",
    "test",
    "invalid",
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "corp",
    "home",
)


# Of the signs that RFC 5322 allows before the "@", those that people use: "email=", "to/" and "Lindqvist|" are no
# part of an address.
_LABEL = r"[^\W_]+(?:-+[^\W_]+)*+"
_ADDRESS = rf"(?<![\w.+'&-])([\w.+'&-]++)@({_LABEL}(?:\.{_LABEL})++)"
# A mailing list writes the member's address into its own: "bounce+nora=example.org@lists.example.org".
_RETURN_PATH = re.compile(r"(?<![\w.+-])\w[\w.-]{0,32}\+[\w.+-]{1,64}=$")
_ADDRESSES = re.compile(_ADDRESS)
_ASCII_ADDRESSES = re.compile(_ADDRESS, re.ASCII)
# Scripts that set no blanks between words, or none before a particle: an address begins and ends amid them.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ASCII_LETTER = re.compile("[A-Za-z0-9]")


@cache
def _public_suffixes() -> tldextract.TLDExtract:
    """Return the public suffix list that tldextract ships, read once: nothing is fetched or cached on disk."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, extra_suffixes=PRIVATE_SUFFIXES)


class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]
    """Addresses that people use, on the public suffix list that tldextract ships."""

    def __init__(self, supported_language: str) -> None:
        super().__init__(supported_language=supported_language, name="EmailRecognizer")
        self._extract = _public_suffixes()

    def validate_result(self, pattern_text: str) -> bool:
        """Return whether the domain ends in a public suffix or in a private one."""
        return bool(self._extract(pattern_text).suffix)

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,
        regex_flags: int | None = None,
    ) -> list[RecognizerResult]:
        """Return the addresses whose domain there may be."""
        del entities, nlp_artifacts, regex_flags
        results: list[RecognizerResult] = []
        for match in _addresses(text):
            start, end = _local_start(match), self._domain_end(match)
            if start < match.end(1) and self.validate_result(text[start:end]):
                results.append(_result(self, "EMAIL_ADDRESS", start, end, self.MAX_SCORE))
        return results

    def _domain_end(self, match: re.Match[str]) -> int:
        """Return where the domain ends: before "Call" in "nora@example.org.Call me"."""
        rest, _, last = match[2].rpartition(".")
        follows = last.istitle() and rest.islower() and "." in rest and self.validate_result(rest)
        return match.end(2) - (len(last) + 1 if follows else 0)


def _addresses(text: str) -> Iterator[re.Match[str]]:
    """Yield what has the form of an address; in "联系nora@example.org吧" that is the part in Latin letters."""
    if not _UNSPACED.search(text):
        yield from _ADDRESSES.finditer(text)
        return
    yield from _ASCII_ADDRESSES.finditer(text)
    for match in _ADDRESSES.finditer(text):
        parts = (match[1], match[2].rpartition(".")[2])
        if not any(_UNSPACED.search(part) and _ASCII_LETTER.search(part) for part in parts):
            yield match


def _local_start(match: re.Match[str]) -> int:
    """Return where an address begins: after quotes, dashes and the underscore of "_emphasis_"."""
    text, start = match.string, match.start()
    if text[start - 1 : start] == "=" and (path := _RETURN_PATH.search(text, max(0, start - 100), start)):
        return path.start()
    after = text[match.end() : match.end() + 1]
    return match.end(1) - len(match[1].lstrip("_.+'&-" if after == "_" else ".+'&-"))


class QuickPhoneRecognizer(PhoneRecognizer):  # type: ignore[misc]
    """Presidio's recognizer, without searching every text for eight regions, which took half of Presidio's time.

    Digits that cannot belong to a number of seven digits are blanked out first, and so are neighbouring digits
    once earlier regions have matched all of them; a region is only tried where seven digits are left. Where the
    languages are known, a number is left out that a word before it says to be an order's or an account's.
    """

    def __init__(self, supported_language: str, knowledge: Knowledge | None = None) -> None:
        super().__init__(supported_language=supported_language, name="PhoneRecognizer")
        self._knowledge = knowledge

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return the numbers that are valid in one of the regions, each once."""
        del entities, nlp_artifacts
        remaining = CLUSTER.sub(_blank_short, text)
        results: list[RecognizerResult] = []
        for region in self.supported_regions:
            if _digits(remaining) < LEAST_PHONE_DIGITS:
                break
            covered = remaining
            for match in PhoneNumberMatcher(remaining, region, leniency=self.leniency):
                if not self._is_other(text, match.start, match.end):
                    results.append(_result(self, "PHONE_NUMBER", match.start, match.end, self.SCORE))
                covered = covered[: match.start] + " " * (match.end - match.start) + covered[match.end :]
            if covered != remaining:
                remaining = _without_covered(remaining, covered)
        return results

    def _is_other(self, text: str, start: int, end: int) -> bool:
        known = self._knowledge
        return bool(known and is_other_number(text, start, known) and not known.phone.near(text, start, end))


def _result(
    recognizer: EntityRecognizer, entity_type: str, start: int, end: int, score: float
) -> RecognizerResult:
    explanation = AnalysisExplanation(recognizer=recognizer.name, original_score=score)
    metadata = {
        RecognizerResult.RECOGNIZER_NAME_KEY: recognizer.name,
        RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: recognizer.id,
    }
    return RecognizerResult(entity_type, start, end, score, explanation, metadata)


def _without_covered(text: str, covered: str) -> str:
    """Return the text without the digits of numbers found; another region may add to "(027) 0336-972"."""

    def rest(cluster: re.Match[str]) -> str:
        left = _DIGIT.search(covered, cluster.start(), cluster.end())
        return cluster[0] if left else " " * len(cluster[0])

    return CLUSTER.sub(rest, text)


def _blank_short(cluster: re.Match[str]) -> str:
    return cluster[0] if _digits(cluster[0]) >= LEAST_PHONE_DIGITS else _DIGIT.sub(" ", cluster[0])


def _digits(text: str) -> int:
    return len(_DIGIT.findall(text))


class RegisterRecognizer(EntityRecognizer):  # type: ignore[misc]
    """A recognizer of PERSON, with certainty, by the register of names."""

    def __init__(self, register: Register, supported_language: str) -> None:
        self.register = register
        super().__init__(
            supported_entities=["PERSON"], supported_language=supported_language, name="RegisterRecognizer"
        )

    def load(self) -> None:
        """Do nothing: there is nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return every mention of a registered name."""
        del entities, nlp_artifacts
        return [
            _result(self, "PERSON", mention.start, mention.end, 1.0) for mention in self.register.find(text)
        ]


class ListedNameRecognizer(EntityRecognizer):  # type: ignore[misc]
    """A recognizer of PERSON by lists of names and the words beside them (`detectors.people.listed`)."""

    SCORE = 0.85
    """As sure as what Presidio takes from a model."""

    def __init__(self, supported_language: str, function_words: Iterable[str] = ()) -> None:
        self._names = ListedNames(supported_language, function_words)
        super().__init__(
            supported_entities=["PERSON"], supported_language=supported_language, name="ListedNameRecognizer"
        )

    def load(self) -> None:
        """Do nothing: there is nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return every name."""
        del entities, nlp_artifacts
        return [_result(self, "PERSON", start, end, self.SCORE) for start, end in self._names.find(text)]


def recognizers_for(
    entity_type: str, rule: EntityRule, language: str, knowledge: Knowledge | None = None
) -> Iterator[EntityRecognizer]:
    """Yield the recognizers of one entity type: Presidio's own, where there is one, and the policy's patterns.

    Args:
        entity_type: name of the entity type.
        rule: the policy's rule for it.
        language: two-letter code of the policy's main language.
        knowledge: what is known of the policy's languages.

    Raises:
        PolicyError: the installed Presidio lacks a recognizer that the table of entity types names, or a pattern is
            not valid in it.
    """
    known = KNOWN_ENTITIES.get(entity_type)
    if known and known.recognizer:
        recognizer = _build_predefined(entity_type, known.recognizer, language, knowledge)
        recognizer.context = [*(recognizer.context or ()), *rule.context]
        yield recognizer
    if rule.patterns:
        yield _from_patterns(entity_type, rule, language)


class ModelRecognizer(SpacyRecognizer):  # type: ignore[misc]
    """What a spaCy model finds. It gives no scores, and takes streets, towns and headings for people.

    So a person with a digit or a line's end inside, or without any word that is known as a name, has `DOUBTFUL`.
    """

    DOUBTFUL = 0.3
    """Below the threshold of most policies."""

    def __init__(self, supported_language: str, supported_entities: list[str]) -> None:
        super().__init__(supported_language=supported_language, supported_entities=supported_entities)
        self._lists = name_lists() if "PERSON" in supported_entities else None

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Return the model's entities of some types."""
        results: list[RecognizerResult] = super().analyze(text, entities, nlp_artifacts)
        for result in results:
            found = text[result.start : result.end]
            if self._lists and result.entity_type == "PERSON" and not self._lists.support(found):
                result.score = min(result.score, self.DOUBTFUL)
        return results


def named_entity_recognizer(language: str, entity_types: list[str]) -> EntityRecognizer:
    """Return the recognizer that hands on what a spaCy model finds of some types."""
    return ModelRecognizer(language, entity_types)


def _from_patterns(entity_type: str, rule: EntityRule, language: str) -> PatternRecognizer:
    # Presidio ignores case by default; a street name is told from other words by its capitals.
    flags = regex.DOTALL | regex.MULTILINE
    for number, pattern in enumerate(rule.patterns):
        try:
            regex.compile(pattern.regex, flags)
        except regex.error as error:
            raise PolicyError(
                f"`entities.{entity_type}.patterns[{number}]`: not valid in Presidio ({error.msg})",
                "Correct the pattern",
            ) from None
    return PatternRecognizer(
        supported_entity=entity_type,
        name=f"{entity_type} patterns of the policy",
        supported_language=language,
        patterns=[Pattern(pattern.name, pattern.regex, pattern.score) for pattern in rule.patterns],
        context=list(rule.context),
        global_regex_flags=flags,
    )


def _build_predefined(
    entity_type: str, name: str, language: str, knowledge: Knowledge | None
) -> EntityRecognizer:
    if name == "EmailRecognizer":
        return OfflineEmailRecognizer(language)
    if name == "PhoneRecognizer":
        return QuickPhoneRecognizer(language, knowledge)
    recognizer = getattr(predefined_recognizers, name, None)
    if recognizer is None:
        version = getattr(presidio_analyzer, "__version__", "installed")
        raise PolicyError(
            f"`entities.{entity_type}`: the {version} presidio-analyzer has no {name}",
            "Upgrade presidio-analyzer, or remove the entity type",
        )
    built = recognizer(supported_language=language)
    if name == "DateRecognizer":
        built.patterns = [Pattern(p.name, _NOT_IN_PAIRS.format(p.regex), p.score) for p in built.patterns]
    return built
