"""Requests that one run erases together: one request of all their people, and what became of each."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from editor.artefacts.masking import CaseKey
from editor.casework.folder import RECORD_FILE, REQUEST_FILE, RequestFolder, WorkCase, names_of
from editor.casework.runs import Run, with_run
from editor.results.report import CaseRow, Report
from policies import ErasureRequest
from policies.errors import OutputError, RequestError, SubjectError


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Requests of a folder.

    Attributes:
        cases: the requests, by deadline.
    """

    cases: tuple[WorkCase, ...]

    @classmethod
    def of_folder(cls, path: Path) -> "Batch":
        """Take the requests of a folder that no run has erased and verified, and that are not closed.

        Raises:
            OutputError: a record cannot be written.
            PolicyError: a request is damaged.
            RequestError: there is no such folder, or nothing in it to erase.
        """
        waiting = [case for case in RequestFolder(path).cases() if case.state in ("open", "erased")]
        if not waiting:
            raise RequestError(
                f"No request in {path} waits for its erasure", "Look at them by `expunge request list --all`"
            )
        return cls._of(waiting)

    @classmethod
    def of_file(cls, path: Path) -> "Batch | None":
        """Take the request whose file lies in a folder of requests; None for any other file.

        Raises:
            OutputError: its record cannot be written.
            PolicyError: it is damaged.
        """
        is_case = path.name == REQUEST_FILE and (path.parent / RECORD_FILE).is_file()
        return cls._of([WorkCase.read(path.resolve().parent)]) if is_case else None

    @classmethod
    def _of(cls, cases: Sequence[WorkCase]) -> "Batch":
        for case in cases:
            if not os.access(case.path, os.W_OK):
                raise OutputError(
                    f"The record of request {case.id} cannot be written", f"Make {case.path} writable"
                )
        return cls(cases=tuple(cases))

    @property
    def request(self) -> ErasureRequest:
        """One request of all people.

        Raises:
            RequestError: two requests are of one name, or they ask for different entity types.
        """
        if len(self.cases) == 1:
            return self.cases[0].request
        owners: dict[str, str] = {}
        for case in self.cases:
            for name in (name for subject in case.request.subjects for name in names_of(subject)):
                other = owners.setdefault(name, case.id)
                if other != case.id:
                    raise RequestError(
                        f"Requests {other} and {case.id} have a name in common, and one run cannot tell them apart",
                        "Erase them one after the other by --request",
                    )
        first, *rest = (case.request for case in self.cases)
        types = [set(case.request.entity_types or ()) for case in self.cases]
        if any(asked != types[0] for asked in types):
            raise RequestError(
                "The requests ask for different entity types, and one run erases the same of everybody",
                "Erase them one after the other by --request",
            )
        together = first.model_copy(update={"case": self.name}).with_people_of(rest)
        return together.model_copy(update={"entity_types": first.entity_types})

    @property
    def name(self) -> str:
        """Name of the case that the run has: the same for the same requests."""
        joined = "\0".join(case.id for case in self.cases)
        return f"{len(self.cases)} requests, {hashlib.sha256(joined.encode()).hexdigest()[:12]}"

    def counted(self, report: Report, key: CaseKey) -> Report:
        """Return the report with a row for each request, where there are several."""
        if len(self.cases) == 1:
            return report
        return report.model_copy(
            update={"cases": tuple(case_row(case.request, report, key) for case in self.cases)}
        )

    def record(self, folder: Path, key: CaseKey) -> None:
        """Put a finished run on record of each request.

        Raises:
            OutputError: a record cannot be written; the folder of the run stays as it is.
        """
        run = Run.read(folder, key)
        for case in self.cases:
            with_run(case, run.linked(case.request))

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Say, where a data subject is unknown, whose request each number is."""
        try:
            yield
        except SubjectError as error:
            asking = [case.id for case in self.cases for _ in case.request.subjects]
            raise SubjectError(
                error.cause, f"{error.remedy}. The data subjects' requests are, in turn, {', '.join(asking)}"
            ) from None


def case_row(request: ErasureRequest, report: Report, key: CaseKey) -> CaseRow:
    """Count the facts of a request's people."""
    labels = {key.subject_label(name) for one in request.subjects for name in (one.name, *one.aliases)}
    return CaseRow.of(request.case, [row for row in report.subjects if row.subject in labels])
