"""Presidio recognizers of what `detectors.languages` knows. Importing this module imports Presidio."""

from collections.abc import Callable, Iterable, Iterator

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import PhoneRecognizer

from detectors.languages.birth_dates import find_birth_dates
from detectors.languages.identities import Identities
from detectors.languages.knowledge import Knowledge
from detectors.languages.phones import NationalPhones
from detectors.languages.streets import find_streets

Finder = Callable[[str], Iterable[tuple[int, int, float]]]
"""A function from a text to (start, end, score) of what it finds."""
BIRTH_DATE_SCORE = 0.8
STREETS, BIRTH_DATES = "StreetRecognizer", "BirthDateRecognizer"
PHONES, IDENTITIES = "NationalPhoneRecognizer", "NationalIdRecognizer"


class LanguageRecognizer(EntityRecognizer):  # type: ignore[misc]
    """A recognizer of one entity type by a finder, which looks at context words itself."""

    def __init__(self, name: str, entity_type: str, supported_language: str, find: Finder) -> None:
        self._find = find
        super().__init__(supported_entities=[entity_type], supported_language=supported_language, name=name)

    def load(self) -> None:
        """Do nothing: there is nothing to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return everything that the finder finds."""
        del entities, nlp_artifacts
        (entity_type,) = self.supported_entities
        metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }
        return [
            RecognizerResult(entity_type, start, end, score, None, metadata)
            for start, end, score in self._find(text)
        ]


def language_recognizers(
    entity_types: Iterable[str], knowledge: Knowledge, language: str
) -> Iterator[LanguageRecognizer]:
    """Yield the recognizers of those entity types that something is known of in the languages."""
    for entity_type in entity_types:
        for known_type, name, find in _finders(knowledge):
            if known_type == entity_type:
                yield LanguageRecognizer(name, entity_type, language, find)


def _finders(knowledge: Knowledge) -> Iterator[tuple[str, str, Finder]]:
    languages = knowledge.languages.values()
    if languages:
        yield "STREET_ADDRESS", STREETS, lambda text: find_streets(text, knowledge)
        yield "DATE_OF_BIRTH", BIRTH_DATES, lambda text: _birth_dates(text, knowledge)
    if any(language.regions for language in languages):
        phones = NationalPhones(knowledge, tried=PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS)
        yield "PHONE_NUMBER", PHONES, phones.find
    if any(language.identities for language in languages):
        yield "NATIONAL_ID", IDENTITIES, Identities(knowledge).find


def _birth_dates(text: str, knowledge: Knowledge) -> Iterator[tuple[int, int, float]]:
    for start, end in find_birth_dates(text, knowledge):
        yield start, end, BIRTH_DATE_SCORE
