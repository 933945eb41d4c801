"""Where facts stand, as a report may say it: a file and a line, and no file whose name is personal."""

from functools import cache

from detectors.fact import Fact
from editor.case import Case
from editor.file_names import PersonalTexts, shown_path
from editor.results.report import Place

FactKey = tuple[str, str, str]
"""Subject, entity type and secret."""


def fact_key(fact: Fact) -> FactKey:
    """Return what tells a fact from others."""
    return fact.subject, fact.entity_type, fact.secret


def fact_places(case: Case) -> dict[FactKey, Place]:
    """Return where each fact in scope was found first; a file whose name is personal is named by the whole corpus."""
    personal = PersonalTexts(case.facts)

    @cache
    def named(file: str) -> str:
        return case.scope.corpus if personal.stand_in(file) else shown_path(file)

    places = {}
    for fact in case.erased:
        first = next((source for source in fact.sources if source.line is not None), None)
        if first is not None and first.line is not None:
            places[fact_key(fact)] = Place(file=named(first.file), line=first.line)
    return places
