"""A folder of requests: each a subfolder, with `request.yaml`, which every command reads, and `case.yaml`, its record.

Files are readable by their owner alone (mode 0600), folders too (0700). A name of a subfolder is the case's identifier,
random where none is given.
"""

import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import yaml

from detectors.fact import write_private_text
from detectors.files import locked
from editor.casework.record import CaseRecord, State
from policies import ErasureRequest, Subject, load_request
from policies.errors import OutputError, PolicyError, RequestError
from policies.reading import StrictModel, build, read_yaml

REQUEST_FILE = "request.yaml"
RECORD_FILE = "case.yaml"
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LEAST_LETTERS = 3
"""Letters from which on a part of a name is looked for in an identifier."""


@dataclass(frozen=True, kw_only=True)
class WorkCase:
    """One request and its record.

    Attributes:
        path: its subfolder.
        request: whose data must go.
        record: its dates, runs and end.
    """

    path: Path
    request: ErasureRequest = field(repr=False)
    record: CaseRecord = field(repr=False)

    @property
    def id(self) -> str:
        """The case's identifier."""
        return self.request.case

    @property
    def state(self) -> State:
        """How far the request is."""
        return self.record.state

    @property
    def deadline(self) -> date:
        """Last day for the answer."""
        return self.record.deadline

    def days_left(self, today: date) -> int:
        """Return the days to the deadline; fewer than none where it is over."""
        return (self.deadline - today).days

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a subfolder.

        Raises:
            PolicyError: a file is missing or damaged.
        """
        request = load_request(path / REQUEST_FILE)
        record = build(
            CaseRecord,
            read_yaml(path / RECORD_FILE, "record"),
            str(path / RECORD_FILE),
            "record of a request",
        )
        if request.case != path.name:
            raise PolicyError(
                f"{path / REQUEST_FILE} is of another case than its folder says", f"Write `case: {path.name}`"
            )
        return cls(path=path, request=request, record=record)

    def changed(self, change: Callable[[CaseRecord], CaseRecord]) -> Self:
        """Change the record as it is by now, while nobody else does, and return the case with it.

        Raises:
            OutputError: it cannot be written.
        """
        with locked(self.path):
            record = change(self.read(self.path).record)
            write_private_text(self.path / RECORD_FILE, (_as_yaml(record),), "record")
        return replace(self, record=record)

    def extend(self, reason: str, today: date) -> Self:
        """Take two further months.

        Raises:
            RequestError: there is no reason, it has them already, it is closed, or the first month is over.
        """
        return self.changed(lambda record: record.extended(reason, today))


@dataclass(frozen=True)
class RequestFolder:
    """A folder of requests.

    Attributes:
        path: The folder; it need not be there before the first request.
    """

    path: Path

    def cases(self) -> tuple[WorkCase, ...]:
        """Return all requests, by deadline.

        Raises:
            PolicyError: a request or a record is damaged.
            RequestError: there is no such folder, or something else lies in it.
        """
        if not self.path.is_dir():
            raise RequestError(
                f"There is no folder {self.path}",
                "Open a request with `expunge request new`, or name its folder",
            )
        found = sorted(entry for entry in self.path.iterdir() if not entry.name.startswith("."))
        for entry in found:
            if not (entry / REQUEST_FILE).is_file() or not (entry / RECORD_FILE).is_file():
                raise RequestError(
                    f"{entry} lies among the requests and is none: it has no {REQUEST_FILE} or no {RECORD_FILE}",
                    "Move it elsewhere, or open it with `expunge request new`",
                )
        return tuple(sorted(map(WorkCase.read, found), key=lambda case: (case.deadline, case.id)))

    def case(self, identifier: str) -> WorkCase:
        """Return one request.

        Raises:
            PolicyError: it is damaged.
            RequestError: there is none of that name.
        """
        path = self.path / identifier
        if not IDENTIFIER.fullmatch(identifier) or not (path / RECORD_FILE).is_file():
            raise RequestError(
                f"There is no request {identifier} in {self.path}", "Take one of `expunge request list --all`"
            )
        return WorkCase.read(path)

    def add(
        self,
        subject: Subject,
        *,
        received: date,
        today: date,
        entity_types: Sequence[str] = (),
        identifier: str | None = None,
        extension: str | None = None,
    ) -> WorkCase:
        """Open a request.

        Args:
            subject: who asks, with what was handed in by hand.
            received: day on which the request came in.
            today: today's date.
            entity_types: what of it is to go; none for all that the policy calls personal.
            identifier: the case's identifier; None for a random one.
            extension: why the answer takes two further months; None where it does not.

        Raises:
            OutputError: it cannot be written.
            PolicyError: it is no valid request, or another one is damaged.
            RequestError: the person has an open request, the identifier is taken or tells the name, or the dates
                cannot be.
        """
        if received > today:
            raise RequestError(f"The request was received on {received}, after today", "Correct the date")
        record = CaseRecord(received=received)
        record = record if extension is None else record.extended(extension, today)
        identifier = _checked(identifier, subject) if identifier else f"R-{secrets.token_hex(4)}"
        asked: dict[str, Any] = {"case": identifier, "subjects": [subject]}
        asked |= {"entity_types": list(entity_types)} if entity_types else {}
        request = build(ErasureRequest, asked, identifier, "erasure request")
        with self._alone():
            others = self.cases()
            _refuse_second(subject, others)
            if any(other.id == identifier for other in others):
                raise RequestError(
                    f"There is a request {identifier} in {self.path}", "Give another identifier"
                )
            return self._write(WorkCase(path=self.path / identifier, request=request, record=record))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Make the folder where it is missing, and let nobody else open a request until the block ends."""
        with self._written():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.path):
            yield

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"The request cannot be written to {self.path} ({error.strerror})",
                "Name a folder that you may write to",
            ) from None

    def _write(self, case: WorkCase) -> WorkCase:
        """Write a new request: wholly or not at all."""
        with self._written():
            # mkdtemp creates a folder of mode 0700 under a name that nobody else has.
            partial = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=self.path))
            try:
                write_private_text(partial / REQUEST_FILE, (_as_yaml(case.request),), "request")
                write_private_text(partial / RECORD_FILE, (_as_yaml(case.record),), "record")
                partial.rename(case.path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        return case


def same_person(one: Subject, other: Subject) -> bool:
    """Return whether two may be one person: they share a name or an alias, and no dates of birth tell them apart."""
    apart = one.born is not None and other.born is not None and one.born != other.born
    return not apart and not names_of(one).isdisjoint(names_of(other))


def names_of(subject: Subject) -> set[str]:
    """Return the name and the aliases of a person, in one case."""
    return {name.casefold() for name in (subject.name, *subject.aliases)}


def _refuse_second(subject: Subject, others: Sequence[WorkCase]) -> None:
    for case in others:
        if case.state != "closed" and any(same_person(subject, one) for one in case.request.subjects):
            raise RequestError(
                f"Request {case.id}, received on {case.record.received}, is not closed, and its data subject has that "
                "name or alias",
                "Close it first; of two people with one name, give both dates of birth",
            )


def _checked(identifier: str, subject: Subject) -> str:
    if not IDENTIFIER.fullmatch(identifier):
        raise RequestError(
            "The identifier is not made of letters, digits, dots, hyphens and underscores, 64 at most",
            "Give another",
        )
    words = {word for name in names_of(subject) for word in re.findall(r"\w+", name)}
    if any(len(word) >= LEAST_LETTERS and word in identifier.casefold() for word in words):
        raise RequestError(
            "The identifier holds a part of the person's name, and reports show it",
            "Give one that says nothing of the person, or none for a random one",
        )
    return identifier


def _as_yaml(model: StrictModel) -> str:
    """Write a request or a record as the YAML that is read again, without what is not set."""
    data = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for subject in data.get("subjects", ()):
        by_type: dict[str, list[str]] = {}
        for entity_type, secret in subject.pop("secrets", ()):
            by_type.setdefault(entity_type, []).append(secret)
        if by_type:
            subject["secrets"] = by_type
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
