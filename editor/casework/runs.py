"""Runs that dealt with a request, by what their output folders hold: is it about the person, and what came of it?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from detectors.fact import secret_key
from detectors.files import file_digest
from editor.artefacts.masking import CaseKey
from editor.artefacts.replacing import MANIFEST
from editor.attestation.agreement import check_manifest, check_report, check_statement
from editor.attestation.folder import EvidenceFolder, Manifest
from editor.casework.folder import WorkCase
from editor.casework.record import CaseRecord, LinkedRun
from editor.report.write import REPORT_JSON
from editor.results.report import FactRow, Report
from policies import ErasureRequest, Subject
from policies.errors import ExitCode, ExpungeError, RequestError

CHECKS = (check_report, check_manifest, check_statement)
"""Checks of what a run says. The tensors of its checkpoint are compared by `verify-report`."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """An output folder that agrees with itself.

    Attributes:
        folder: the folder.
        report: what was measured.
        manifest: what it says of the run.
        key: key of its labels.
    """

    folder: Path
    report: Report = field(repr=False)
    manifest: Manifest = field(repr=False)
    key: CaseKey

    @classmethod
    def read(cls, folder: Path, key: CaseKey | Path | None = None) -> Self:
        """Read a folder, once its report is known to be the one that the run wrote.

        Args:
            folder: output folder of `erase` or `verify`.
            key: key of the case, or its file; None for the file beside the folder.

        Raises:
            OutputError: the key cannot be read.
            RequestError: there is no report of a run, it was changed, or there is no key.
        """
        evidence = EvidenceFolder(folder)
        report, manifest = evidence.report, evidence.manifest
        if report is None or manifest is None:
            raise RequestError(
                f"{folder} holds no report and manifest of a run", "Name the output folder that `erase` wrote"
            )
        wrong = [finding.text for check in CHECKS for finding in check(evidence) if finding.kind == "wrong"]
        if not evidence.is_intact(REPORT_JSON):
            wrong.append(f"{REPORT_JSON} is not the one that the manifest lists")
        if wrong:
            raise RequestError(
                f"{folder} does not agree with itself: {wrong[0]}",
                "Name the folder as the run wrote it; `expunge verify-report` lists all that differs",
            )
        return cls(folder=folder, report=report, manifest=manifest, key=_read_key(folder, key))

    def labels(self, subject: Subject) -> frozenset[str]:
        """Return the labels under which the report has facts about a person."""
        mine = {self.key.subject_label(name) for name in (subject.name, *subject.aliases)}
        return frozenset(mine & {row.subject for row in self.report.subjects})

    def facts(self, request: ErasureRequest) -> tuple[FactRow, ...]:
        """Return the facts in scope about the people of a request."""
        labels = frozenset[str]().union(*map(self.labels, request.subjects))
        return tuple(row for row in self.report.facts if row.subject in labels)

    def covers(self, request: ErasureRequest) -> bool:
        """Return whether its facts are about everybody of a request, and hold as many as they handed in."""
        return all(self._has(subject) for subject in request.subjects)

    def _has(self, subject: Subject) -> bool:
        labels = self.labels(subject)
        found = Counter(row.entity_type for row in self.report.facts if row.subject in labels)
        given = Counter(entity_type for entity_type, _ in {secret_key(*pair) for pair in subject.secrets})
        return bool(labels) and all(found[name] >= count for name, count in given.items())

    def check_about(self, request: ErasureRequest) -> None:
        """Refuse a run that erased nothing, or is about others.

        Raises:
            RequestError: it is such a run.
        """
        for problem in self._unrelated(request):
            raise RequestError(*problem)

    def check_erased(self, request: ErasureRequest) -> None:
        """Refuse a run that did not erase and verify a request.

        Raises:
            RequestError: it did not.
        """
        for problem in self._problems(request):
            raise RequestError(*problem)

    def met(self, request: ErasureRequest) -> bool:
        """Return whether it erased and verified a request."""
        return not any(self._problems(request))

    def _unrelated(self, request: ErasureRequest) -> Iterator[tuple[str, str]]:
        """Yield why this run did nothing about a request: cause and remedy."""
        if self.report.kind == "audit":
            yield f"{self.folder} is of an audit, which erases nothing", "Name the folder of an erasure"
        if not self.covers(request):
            yield (
                f"The report in {self.folder} has no facts about a data subject of request {request.case}, or fewer "
                "than were handed in",
                "Name the run that erased this request, and the key of its labels by --case-key",
            )

    def _problems(self, request: ErasureRequest) -> Iterator[tuple[str, str]]:
        """Yield why a request is not erased and verified by this run: cause and remedy."""
        yield from self._unrelated(request)
        report, facts = self.report, self.facts(request)
        leaking = sum(row.leaked_after is not False for row in facts)
        if leaking:
            yield (
                f"The checkpoint of {self.folder} still leaks {leaking} of the {len(facts)} facts of request "
                f"{request.case}",
                "Erase the request again: report.html says what leaks, by which wording",
            )
        short = short_of_policy(report)
        if short:
            yield (
                f"The run in {self.folder} did not meet its policy ({short}): {report.verdict.rstrip('.')}",
                "Erase again so that the policy is met, or verify the checkpoint and name that run",
            )

    def linked(self, request: ErasureRequest) -> LinkedRun:
        """Return what is put on record of it."""
        return LinkedRun(
            folder=str(self.folder.resolve()),
            kind="verify" if self.report.kind == "verify" else "erase",
            manifest=file_digest(self.folder / MANIFEST),
            met=self.met(request),
        )


def short_of_policy(report: Report) -> str:
    """Say in what a run falls short of its policy, though it may have been told to put up with it; else nothing."""
    if report.exit_code != ExitCode.MET:
        return f"exit code {report.exit_code}"
    if report.gate.waived:
        return f"it was told not to fail on {', '.join(report.gate.waived)}"
    replaced = [row.threshold for row in report.gate.overridden]
    return f"it replaced the policy's {', '.join(replaced)}" if replaced else ""


def _read_key(folder: Path, key: CaseKey | Path | None) -> CaseKey:
    if isinstance(key, CaseKey):
        return key
    path = key or folder.resolve().with_name(f"{folder.resolve().name}.key")
    if not path.is_file():
        raise RequestError(
            f"Whom the report in {folder} is about cannot be told without its case key ({path})",
            "Name the key by --case-key",
        )
    return CaseKey.load_or_generate(path)


def with_run(case: WorkCase, run: LinkedRun) -> WorkCase:
    """Put a run on record of a request, as its record is by now; one that is there already is replaced."""

    def add(record: CaseRecord) -> CaseRecord:
        others = tuple(one for one in record.runs if one.manifest != run.manifest)
        return record.model_copy(update={"runs": (*others, run)})

    return case.changed(add)


def find_runs(root: Path, case: WorkCase) -> Iterator[Run]:
    """Yield the runs in a folder, and in the folders in it, that are about a request.

    A folder whose key is not beside it, or that does not agree with itself, is passed over.
    """
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if (folder / REPORT_JSON).is_file():
            try:
                run = Run.read(folder)
            except ExpungeError:
                continue
            if run.report.kind != "audit" and run.covers(case.request):
                yield run
