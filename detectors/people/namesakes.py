"""Two people with one name, told apart by what else a request says of the one: when they were born, their e-mail.

A document that holds an identifier of the requested person is theirs. One that holds another of the same kind is
somebody else's of that name. Of those that hold neither, one that shares a secret with either is that one's; the rest
may be of both, and stay with who asks.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from detectors.fact import NOBODY, Fact, secret_key
from detectors.languages.knowledge import knowledge_of, known_languages
from policies import Subject

BORN, EMAIL = "DATE_OF_BIRTH", "EMAIL_ADDRESS"
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, kw_only=True)
class Parted:
    """The facts of a name, parted.

    Attributes:
        facts: facts, those of namesakes about nobody (`NOBODY`).
        others: number of documents that are of somebody else of the name.
        unsure: number of documents that tell nothing, and count for who asks.
    """

    facts: tuple[Fact, ...]
    others: int
    unsure: int


def part_namesakes(facts: Iterable[Fact], subject: Subject) -> Parted:
    """Return facts without what is somebody else's of a subject's name.

    Args:
        facts: facts about anybody.
        subject: a data subject of a request. Without `born` and `emails` nothing changes.
    """
    facts = tuple(facts)
    kinds = {kind for kind, known in ((BORN, subject.born), (EMAIL, subject.emails)) if known}
    mine = [fact for fact in facts if fact.subject == subject.name] if kinds else []
    if not any(fact.entity_type in kinds for fact in mine):
        return Parted(facts=facts, others=0, unsure=0)
    own, others = _told(mine, subject, kinds)
    secrets = defaultdict(set)
    for fact in mine:
        for source in fact.sources:
            secrets[source.document].add(secret_key(fact.entity_type, fact.secret))
    of_own, of_others = (set().union(*(secrets[document] for document in side)) for side in (own, others))
    for document, held in secrets.items():
        if document not in own and document not in others and held & of_others and not held & of_own:
            others.add(document)
    parted: list[Fact] = []
    for fact in facts:
        moved = [source for source in fact.sources if source.document in others]
        if fact.subject != subject.name or not moved:
            parted.append(fact)
            continue
        kept = tuple(source for source in fact.sources if source.document not in others)
        if kept:
            parted.append(replace(fact, sources=kept))
        sources = tuple(replace(one, link="none", confidence=0.0, named_at=None) for one in moved)
        parted.append(replace(fact, subject=NOBODY, sources=sources))
    told = {document for document, held in secrets.items() if document in own or held & of_own}
    return Parted(facts=tuple(parted), others=len(others), unsure=len(secrets.keys() - others - told))


def _told(facts: Sequence[Fact], subject: Subject, kinds: set[str]) -> tuple[set[str], set[str]]:
    """Return the documents that hold an identifier of a subject, and those that hold others alone."""
    own: set[str] = set()
    any_other: set[str] = set()
    emails = {secret_key(EMAIL, email) for email in subject.emails}
    for fact in facts:
        if fact.entity_type not in kinds:
            continue
        documents = {source.document for source in fact.sources}
        if fact.entity_type == BORN:
            is_own = subject.born in dates_of(fact.secret)
        else:
            is_own = secret_key(EMAIL, fact.secret) in emails
        (own if is_own else any_other).update(documents)
    return own, any_other - own


def born_twice(facts: Iterable[Fact]) -> int:
    """Return how many people have dates of birth that cannot be one: several people of one name, perhaps."""
    dates: dict[str, list[set[date]]] = defaultdict(list)
    for fact in facts:
        if fact.entity_type == BORN and fact.is_linked and (found := dates_of(fact.secret)):
            dates[fact.subject].append(found)
    return sum(not set.intersection(*found) for found in dates.values())


def dates_of(text: str) -> set[date]:
    """Return the dates that a text may mean: both of "3/12/1981"."""
    numbers = _NUMBER.findall(text)
    months = knowledge_of(known_languages()).months
    named = [months[word] for word in _WORD.findall(text.lower()) if word in months]
    if len(numbers) == 2 and named:
        day, year = numbers if len(numbers[0]) < 4 else reversed(numbers)
        triples = [(year, str(named[0]), day)]
    elif len(numbers) == 3 and len(numbers[0]) == 4:
        triples = [(numbers[0], numbers[1], numbers[2])]
    elif len(numbers) == 3:
        one, two, year = numbers
        triples = [(year, one, two), (year, two, one)]
    else:
        return set()
    found = set()
    for year, month, day in triples:
        for full in (year,) if len(year) == 4 else (f"19{year}", f"20{year}"):
            try:
                found.add(date(int(full), int(month), int(day)))
            except ValueError:
                continue
    return found
