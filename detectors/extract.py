"""Documents to facts: personal spans, each linked to the person it is about."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from detectors.corpus import Document
from detectors.engine import Engine
from detectors.fact import NOBODY, Fact, Source, secret_key
from detectors.people import Register
from detectors.people.link import CONFIDENCE, How
from detectors.people.namesakes import Parted, born_twice, part_namesakes
from detectors.pool import process_count, search_in_processes
from detectors.search import Findings, search_document
from detectors.unlinked import UnlinkedSample, attribute_unlinked
from policies import ErasureRequest, Policy

if TYPE_CHECKING:
    from spacy.language import Language

_FactKey = tuple[str, str, str]  # subject, entity type, secret


@dataclass(frozen=True, kw_only=True)
class DetectionResult:
    """The result of detection. No name and no secret is shown by `repr`.

    Attributes:
        facts: facts about every known person, in order of first appearance; a secret found several times is one fact.
        documents: number of documents read.
        skipped: (place, reason) for each document that could not be read or scanned completely; the place is
            "line 7" or "row 3" of the file, or "document 5" in order. What was found in the rest of it is
            among the facts.
        coverage: sentences on which recognizers ran, what they cannot find, and how secrets were linked.
        unlinked: number of occurrences of secrets whose subject is unknown, by entity type.
        unlinked_facts: facts about nobody (`NOBODY`), whose subject is unknown: other people's, who are not named. A
            seeded sample where there are more than `detectors.unlinked.UNLINKED_SECRETS`.
        mentions: number of documents in which each data subject of the register occurs, or whom a chat asks about.
    """

    facts: tuple[Fact, ...] = field(repr=False)
    documents: int
    skipped: tuple[tuple[str, str], ...]
    coverage: tuple[str, ...]
    unlinked: Counter[str]
    unlinked_facts: tuple[Fact, ...] = field(repr=False)
    mentions: Mapping[str, int] = field(repr=False)


def detect_facts(
    documents: Iterable[Document],
    policy: Policy,
    request: ErasureRequest | None = None,
    register: Iterable[str] = (),
    *,
    seed: int | None = None,
    processes: int | None = 1,
    pipeline: "Language | None" = None,
    on_document: Callable[[], None] | None = None,
) -> DetectionResult:
    """Find the personal facts of a corpus.

    The register of names holds the request's subjects with their aliases, the names given, and the subjects
    that the documents list; it is complete before the first document is scanned, so the documents are
    iterated over twice. An iterator that can only be used once is held in memory.

    Args:
        documents: a `Corpus`, or any documents.
        policy: the policy, with entity types, thresholds and patterns.
        request: a request whose names and aliases are looked for, and whose spelling of a name wins. The facts of
            everybody are returned all the same: other people's facts are what must not change.
        register: more names of data subjects.
        seed: seed of the sample of unlinked secrets; the policy's by default.
        processes: number of processes that search at once; None for one per core where the corpus is large. The
            result is the same. A script that asks for several must not do so on import
            (`if __name__ == "__main__":`).
        pipeline: a spaCy pipeline to use instead of the policy's, in this process alone.
        on_document: callback after each scanned document, for progress.

    Raises:
        CorpusError: a damaged corpus.
        PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
    """
    if isinstance(documents, Iterator):
        documents = tuple(documents)
    names, count = read_names(documents, request, register)
    engine = Engine(policy, names, pipeline)
    collector = Collector(engine, names, request, policy.seed if seed is None else seed)
    processes = process_count(count) if processes is None else processes
    if processes > 1 and pipeline is None:
        findings = search_in_processes(documents, policy, names, processes)
    else:
        findings = (search_document(document, engine, names) for document in documents)
    for found in findings:
        collector.add(found)
        if on_document is not None:
            on_document()
    return collector.result()


def read_names(
    documents: Iterable[Document], request: ErasureRequest | None = None, names: Iterable[str] = ()
) -> tuple[Register, int]:
    """Return the complete register and the number of documents: the first pass over a corpus."""
    register = Register()
    for subject in request.subjects if request else ():
        register.add_person(subject.name, subject.aliases)
    for name in names:
        register.add_person(name)
    count = 0
    for document in documents:
        count += 1
        for name in document.subjects:
            register.add_person(name)
    register.is_open = not len(register)
    return register, count


class Collector:
    """The facts gathered so far, document by document.

    Args:
        engine: the engine that searched, for what it covers.
        register: the complete register of names.
        request: the erasure request.
        seed: seed of the sample of unlinked secrets.
    """

    def __init__(self, engine: Engine, register: Register, request: ErasureRequest | None, seed: int) -> None:
        self._engine = engine
        self._register = register
        self._request = request
        self._requested = {subject.name for subject in request.subjects} if request else set()
        self._namesakes: list[tuple[int, Parted]] = []
        self._born_twice = 0
        self._sources: dict[_FactKey, list[Source]] = defaultdict(list)
        self._documents = 0
        self._skipped: list[tuple[str, str]] = []
        self._unlinked: Counter[str] = Counter()
        self._beside = 0
        self._sample = UnlinkedSample(seed)
        self._links: Counter[How] = Counter()
        self._mentions: dict[str, int] = dict.fromkeys(register.subjects, 0)

    def pass_over(self, documents: int) -> None:
        """Count documents in which there is nothing."""
        self._documents += documents

    def add(self, findings: Findings) -> None:
        """Take in what one document held; in the documents' order."""
        self._documents += 1
        if findings.problems:
            place = findings.place or f"document {self._documents}"
            self._skipped.append((place, "; ".join(findings.problems)))
        for subject in findings.subjects:
            self._mentions[subject] = self._mentions.get(subject, 0) + 1
        beside = not self._requested.isdisjoint(findings.subjects)
        for entity_type, subject, secret, source in findings.found:
            if subject == NOBODY:
                self._unlinked[entity_type] += 1
                self._beside += beside
                self._sample.add(entity_type, secret, source, beside=beside)
            else:
                self._links[cast("How", source.link)] += 1
                self._sources[subject, entity_type, secret].append(source)

    def result(self) -> DetectionResult:
        """Return everything gathered. To be called once, after the last document."""
        linked = [
            Fact(subject=subject, entity_type=entity_type, secret=secret, sources=tuple(sources))
            for (subject, entity_type, secret), sources in self._sources.items()
        ]
        linked = self._without_namesakes(linked)
        unlinked = list(self._sample.facts())
        self._count_attributed(linked, unlinked)
        facts = attribute_unlinked([*linked, *unlinked])
        self._born_twice = born_twice(facts)
        return DetectionResult(
            facts=tuple(fact for fact in facts if fact.is_linked),
            documents=self._documents,
            skipped=tuple(self._skipped),
            coverage=tuple(self._coverage()),
            unlinked=self._unlinked,
            unlinked_facts=tuple(fact for fact in facts if not fact.is_linked),
            mentions=self._mentions,
        )

    def _without_namesakes(self, linked: list[Fact]) -> list[Fact]:
        """Give to nobody what is somebody else's of a requested person's name."""
        for number, subject in enumerate(self._request.subjects if self._request else (), start=1):
            parted = part_namesakes(linked, subject)
            if parted.others or parted.unsure:
                self._namesakes.append((number, parted))
            linked = [fact for fact in parted.facts if fact.is_linked]
            for fact in parted.facts:
                for source in () if fact.is_linked else fact.sources:
                    self._unlinked[fact.entity_type] += 1
                    self._sample.add(fact.entity_type, fact.secret, source, beside=False)
        return linked

    def _count_attributed(self, linked: Iterable[Fact], unlinked: Iterable[Fact]) -> None:
        """Count as linked what `attribute_unlinked` links."""
        known = {secret_key(fact.entity_type, fact.secret) for fact in linked}
        for fact in unlinked:
            if secret_key(fact.entity_type, fact.secret) in known:
                found = self._sample.occurrences(fact)
                self._links["secret"] += found.count
                self._unlinked[fact.entity_type] -= found.count
                self._beside -= found.beside
        self._unlinked = +self._unlinked

    def _coverage(self) -> Iterator[str]:
        for entity_type, recognizers in self._engine.coverage.items():
            yield f"{entity_type}: {', '.join(recognizers) or 'no recognizer'}"
        if not self._engine.model:
            yield (
                "No named entity model is installed for the policy's language: "
                f"PERSON comes only from the register of {len(self._register)} names and from lists of names, "
                "LOCATION from the policy's own patterns. "
                "An installed spaCy model finds more (python -m spacy download en_core_web_sm)"
            )
        if not len(self._register) and not self._sources:
            yield "The register of names is empty: nothing can be linked to anybody"
        if self._links:
            ways = ", ".join(
                f"{count} by {how} ({CONFIDENCE[how]})" for how, count in sorted(self._links.items())
            )
            yield f"Occurrences linked to a data subject, and how often that is right: {ways}"
        if self._links["uncertain"]:
            yield (
                f"{self._links['uncertain']} of these links are of occurrences that may be of several people. They "
                "count for each of them, and a request of any covers them"
            )
        for number, parted in self._namesakes:
            yield (
                f"Somebody else has the name of data subject {number}: {parted.others} documents are of that person by "
                f"date of birth or e-mail address, and protected; {parted.unsure} tell neither, and count for the data "
                "subject"
            )
        if self._born_twice:
            yield (
                f"People with several dates of birth, who may be several of one name each: {self._born_twice}. Their "
                "facts are taken together; a request tells them apart by `born` or `email`"
            )
        if self._unlinked:
            kinds = ", ".join(
                f"{count} {entity_type}" for entity_type, count in sorted(self._unlinked.items())
            )
            yield f"Occurrences of no known data subject: {kinds}"
            kept = "" if self._sample.is_whole else f"a sample of {len(self._sample):,} of "
            yield (
                f"What is of no known data subject is taken for other people's: {kept}those secrets are protected, "
                "and none is erased"
            )
        if self._beside:
            yield (
                f"Of these occurrences, in documents that name a requested person, whose they may be: {self._beside}. "
                "They are protected and stay. If they are to go, add the name that the text uses to the request's "
                "`aliases`, or list the person in the documents' `subjects`"
            )
