"""A case: everything a run is given, read and checked before the model is touched."""

import hashlib
import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detectors import Document, Fact, attribute_unlinked, check_types, read_corpus, read_facts
from editor.file_names import PersonalTexts, shown_path
from editor.progress import Silent, Stages
from editor.questions.handed_in import handed_in, not_detected
from editor.questions.probes import Probe, build_probes
from editor.questions.requested import NamesSeen, not_found
from editor.questions.written import WrittenProbe, read_probes
from editor.results.report import Scope
from policies import ErasureRequest, Policy
from policies.errors import CorpusError, printable

RETAINED_DOCUMENTS = 20_000
"""Documents kept in memory as retained text; a seeded sample of a larger corpus."""

_PLACE = re.compile(r" ?\b(?:document|line|row|item|message|part) \d+(?: \(line \d+\))?$")
_NOTHING_SKIPPED: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """Files that the user named.

    Attributes:
        corpus: text that the model was trained on; None where only a facts file is given.
        facts: facts file that stands in for detection.
        probes: probes file with wordings that do not occur in the corpus.
        quality: file with what `expunge detect --score` measured, for the scope's coverage.
    """

    corpus: Path | None = None
    facts: Path | None = None
    probes: Path | None = None
    quality: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """Facts, probes and retained text of one run.

    Attributes:
        name: identifier of the case.
        policy: policy, which says what counts as personal and as erased.
        request: request, which says whose data must go; None for everybody's.
        facts: facts found, about everybody, also about people who are not named.
        probes: probes of both splits and all groups.
        documents: retained text.
        scope: what was looked at, for the report.
        incomplete: whether something was skipped.
        seed: seed of everything random.
        earlier: requests whose facts were erased before.
        unchecked: sentences on what earlier requests had erased and this run does not ask for.
    """

    name: str
    policy: Policy
    request: ErasureRequest | None
    facts: tuple[Fact, ...] = field(repr=False)
    probes: tuple[Probe, ...] = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)
    scope: Scope
    incomplete: bool
    seed: int
    earlier: tuple[ErasureRequest, ...] = field(default=(), repr=False)
    unchecked: tuple[str, ...] = ()

    @property
    def erased(self) -> list[Fact]:
        """The facts in scope."""
        return self._facts_of(probe for probe in self.probes if probe.is_erased)

    @property
    def must_not_leak(self) -> list[Fact]:
        """The facts in scope and those that earlier requests had erased."""
        return self._facts_of(probe for probe in self.probes if probe.must_not_leak)

    def _facts_of(self, probes: Iterable[Probe]) -> list[Fact]:
        targets = {(p.target.subject, p.target.relation, p.target.answer) for p in probes}
        return [f for f in self.facts if (f.subject, f.entity_type, f.secret) in targets]

    def all_facts(self) -> list[Fact]:
        """Return every personal answer known to this run, those of a probes file included: no artefact may hold one."""
        found = {(fact.subject, fact.entity_type, fact.secret): fact for fact in self.facts}
        for probe in self.probes:
            target = probe.target
            place = (target.subject, target.relation, target.answer)
            if target.personal and place not in found:
                found[place] = Fact(
                    subject=target.subject, entity_type=target.relation, secret=target.answer, sources=()
                )
        return list(found.values())


def open_case(
    files: CaseFiles,
    policy: Policy,
    request: ErasureRequest | None,
    *,
    seed: int,
    earlier: Sequence[ErasureRequest] = (),
    processes: int | None = 1,
    stages: Stages | None = None,
) -> Case:
    """Read and check everything: detect facts (or read them), build probes, keep retained text.

    Args:
        files: files that the user named.
        policy: policy, which says what counts as personal.
        request: request, which says whose data must go; None for everybody's.
        seed: seed of everything random.
        earlier: requests whose facts were erased before: their people are found and asked for too.
        processes: number of processes that search the corpus; None for one a core where it is large. The facts are
            the same.
        stages: display of progress.

    Raises:
        CorpusError: a file cannot be read, or nothing personal was found in it.
        PolicyError: the request asks for, or hands in, an entity type that the policy does not cover.
        SubjectError: a requested subject is not in the corpus, and handed in nothing.
    """
    asked = (*earlier, *([request] if request else ()))
    for one in asked:  # a facts file may know other types; what is handed in needs the policy's wordings
        check_types(one if files.facts is None else one.model_copy(update={"entity_types": None}), policy)
    people = request.with_people_of(earlier) if request else None
    stages = stages or Silent()
    written: Sequence[WrittenProbe] = read_probes(files.probes) if files.probes else ()
    measured = _measured_quality(files.quality, policy)
    retained = _RetainedSample(request, seed)
    if files.facts is not None:
        facts = tuple(read_facts(files.facts))
        coverage, skipped = ["The facts were given by a file"], _NOTHING_SKIPPED
        if files.corpus is not None:
            for document in read_corpus(files.corpus):
                retained.offer(document)
            skipped = tuple(retained.skipped)
        else:
            for document in _documents_of(facts):
                retained.offer(document)
    elif files.corpus is not None:
        facts, coverage, skipped = _detect(files.corpus, policy, people, retained, seed, processes, stages)
    else:
        raise CorpusError("Neither a corpus nor a facts file was given", "Give --corpus or --facts")
    facts = attribute_unlinked(facts, (*_written_facts(written, policy), *handed_in(asked)))
    given = handed_in(asked, facts)
    facts = (*facts, *given)
    if not any(fact.is_linked for fact in facts):
        unread = f"; not all of it was read ({skipped[0][0]}: {skipped[0][1]})" if skipped else ""
        raise CorpusError(
            f"No personal fact linked to a data subject was found in {files.corpus or files.facts}{unread}",
            "Check the policy's entity types, and that subjects are named in the text, its `subjects` or the request",
        )
    documents = tuple(retained.documents())
    probes = build_probes(facts, policy, request, written, documents, earlier=earlier, seed=seed)
    name = request.case if request else "everybody"
    missing = [*retained.names_seen.missing()] if files.corpus is not None else []
    missing += [*not_found(request, policy, facts, written), *not_detected(given)]
    scope = _scope(files, facts, probes, retained.seen, [*coverage, *measured], skipped, missing)
    return Case(
        name=name,
        policy=policy,
        request=request,
        facts=facts,
        probes=probes,
        documents=documents,
        scope=scope,
        incomplete=bool(skipped),
        seed=seed,
        earlier=tuple(earlier),
    )


def _detect(
    corpus: Path,
    policy: Policy,
    request: ErasureRequest | None,
    retained: "_RetainedSample",
    seed: int,
    processes: int | None,
    stages: Stages,
) -> tuple[tuple[Fact, ...], list[str], tuple[tuple[str, str], ...]]:
    from detectors import detect_facts

    documents = read_corpus(corpus)
    with stages.stage("Reading the corpus") as advance:
        for document in documents:
            retained.offer(document)
            advance(1)
    with stages.stage("Detecting personal facts", retained.seen) as advance:
        result = detect_facts(
            documents, policy, request, seed=seed, processes=processes, on_document=lambda: advance(1)
        )
    return (*result.facts, *result.unlinked_facts), list(result.coverage), tuple(result.skipped)


def _written_facts(written: Iterable[WrittenProbe], policy: Policy) -> Iterator[Fact]:
    """Yield the personal answers that a probes file gives to questions about people."""
    for line in written:
        if line.entity_type is not None and line.entity_type in policy.entities:
            yield Fact(subject=line.subject, entity_type=line.entity_type, secret=line.answer, sources=())


def _measured_quality(path: Path | None, policy: Policy) -> tuple[str, ...]:
    if path is None:
        return ("How much of the personal data detection finds was not measured",)
    from detectors.quality import coverage_lines, read_quality

    return coverage_lines(read_quality(path), policy)


def _documents_of(facts: Iterable[Fact]) -> Iterator[Document]:
    """Yield the contexts that a facts file holds, secrets included, as stand-ins for the corpus."""
    for fact in facts:
        for number, source in enumerate(fact.sources):
            yield Document(
                id=f"{source.document}#{source.start}-{number}",
                text=f"{source.prefix}{fact.secret}",
                subjects=(),
            )


def _scope(
    files: CaseFiles,
    facts: Sequence[Fact],
    probes: Iterable[Probe],
    documents: int,
    coverage: Iterable[str],
    skipped: Iterable[tuple[str, str]],
    missing: Iterable[str],
) -> Scope:
    erased = {probe.target for probe in probes if probe.is_erased}
    named = files.corpus or files.facts
    return Scope(
        corpus=printable(shown_path(str(named))),
        documents=documents,
        facts_by_type=_by_type(fact for fact in facts if fact.is_linked),
        unlinked_by_type=_by_type(fact for fact in facts if not fact.is_linked),
        subjects_in_scope=len({target.subject for target in erased}),
        facts_in_scope=len(erased),
        coverage=tuple(coverage),
        skipped=tuple(f"{place}: {reason}" for place, reason in _without_names(skipped, facts)),
        not_found=tuple(missing),
    )


def _without_names(skipped: Iterable[tuple[str, str]], facts: Sequence[Fact]) -> Iterator[tuple[str, str]]:
    """Yield places without the names of files that hold a person's name or secret: a report shows neither."""
    personal = PersonalTexts(facts)
    for place, reason in skipped:
        name = _PLACE.sub("", place)
        shown = f"a file whose name is personal{place[len(name) :]}" if personal.stand_in(name) else place
        yield shown, reason


def _by_type(facts: Iterable[Fact]) -> dict[str, int]:
    return dict(sorted(Counter(fact.entity_type for fact in facts).items()))


class _RetainedSample:
    """Sample of every document that names a requested subject, and of some others, by a seed."""

    def __init__(self, request: ErasureRequest | None, seed: int) -> None:
        self.names = [n for s in request.subjects for n in (s.name, *s.aliases)] if request else []
        self.names_seen = NamesSeen(request)
        self.seed = seed
        self.seen = 0
        self.skipped: list[tuple[str, str]] = []
        self.heap: list[tuple[float, int, Document]] = []

    def offer(self, document: Document) -> None:
        """Take or leave a document."""
        self.seen += 1
        if document.problems:
            self.skipped.append((document.place or f"document {self.seen}", "; ".join(document.problems)))
        if not document.text:
            return
        self.names_seen.look(document)
        named = any(name in document.text for name in self.names)
        item = (1.0 if named else -self._draw(document.id), -self.seen, document)
        if len(self.heap) < RETAINED_DOCUMENTS:
            heapq.heappush(self.heap, item)
        else:
            heapq.heappushpop(self.heap, item)

    def documents(self) -> list[Document]:
        """Return what was kept, in corpus order."""
        return [document for _, _, document in sorted(self.heap, key=lambda item: -item[1])]

    def _draw(self, identifier: str) -> float:
        digest = hashlib.blake2b(f"{self.seed}\0{identifier}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
