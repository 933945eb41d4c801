"""What attacks are prepared from: the case, the questions about erased facts, and which record names whom."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from detectors import NOBODY, Document, Register
from editor.case import Case
from editor.measuring.criteria.kept import OTHERS
from editor.questions.probes import Probe
from policies import ErasureRequest


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Ground of the attacks on one case; what several of them look for is found once.

    Attributes:
        case: case with documents, request and seed.
        erased: questions about the facts in scope, all of them.
    """

    case: Case = field(repr=False)
    erased: tuple[Probe, ...] = field(repr=False)

    @cached_property
    def people(self) -> frozenset[str]:
        """The erased people, as facts name them."""
        return frozenset(probe.target.subject for probe in self.erased) - {NOBODY}

    @cached_property
    def register(self) -> Register:
        """The erased people under all names that the request knows them by."""
        return register_of(self.people, self.case.request)

    @cached_property
    def named(self) -> tuple[frozenset[str], ...]:
        """Of each document the erased people whom it names."""
        return tuple(named_in(self.case.documents, self.register))

    @cached_property
    def secrets(self) -> Register:
        """The erased secrets, as names are looked for."""
        secrets = Register()
        for probe in self.erased:
            secrets.add(probe.target.answer)
        return secrets

    @cached_property
    def others(self) -> tuple[Probe, ...]:
        """Questions about other people's facts, none of whose answers is an erased secret."""
        secrets = {probe.target.answer for probe in self.erased}
        return tuple(
            probe
            for probe in self.case.probes
            if probe.target.personal
            and probe.target.subject
            and probe.target.group in OTHERS
            and probe.target.answer not in secrets
        )

    @cached_property
    def retained(self) -> tuple[Document, ...]:
        """Documents that name none of the erased people and hold none of their secrets."""
        return tuple(
            document
            for document, subjects in zip(self.case.documents, self.named, strict=True)
            if not subjects and not self.secrets.find_read(document.text)
        )

    def records(self, people: Collection[str], nobody: Collection[str] = ()) -> list[Document]:
        """Return the documents that name some of the erased people and none of others, by whatever name."""
        return naming(self.case.documents, self.register, people, nobody, self.named)


def register_of(people: Set[str], request: ErasureRequest | None) -> Register:
    """Return the people under all names that the request knows them by."""
    register = Register()
    for subject in request.subjects if request else ():
        for name in sorted(people & {subject.name, *subject.aliases}):
            register.add_person(name, (subject.name, *subject.aliases))
    for name in sorted(people):
        register.add_person(name)
    return register


def named_in(documents: Sequence[Document], register: Register) -> list[frozenset[str]]:
    """Return of each document whom of a register it names."""
    return [frozenset(mention.subject for mention in register.find(one.text)) for one in documents]


def naming(
    documents: Sequence[Document],
    register: Register,
    people: Collection[str],
    nobody: Collection[str],
    named: Sequence[Set[str]] | None = None,
) -> list[Document]:
    """Return the documents that name some people and none of others, by whatever name.

    Args:
        documents: texts.
        register: names of both.
        people: some of whom a document names.
        nobody: none of whom it names.
        named: what `named_in` gives, where it is known.
    """
    wanted, unwanted = ({register.canonical(name) for name in names} for names in (people, nobody))
    found = named_in(documents, register) if named is None else named
    return [
        document
        for document, subjects in zip(documents, found, strict=True)
        if subjects & wanted and not subjects & unwanted
    ]
