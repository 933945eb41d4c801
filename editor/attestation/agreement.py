"""Whether the report, its pages, the manifest, the Statement and the bill of materials say the same."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version

from editor.artefacts.replacing import MANIFEST
from editor.attestation.bom import BOM, bom_text
from editor.attestation.findings import Finding
from editor.attestation.folder import EvidenceFolder
from editor.attestation.statement import STATEMENT, checkpoint_files, statement_text
from editor.measuring.rejudging import JUDGED, contradictions, rejudge
from editor.measuring.summaries import RENDERERS
from editor.report.write import FORMATS, REPORT_JSON, checkpoint_pages
from editor.results.report import Report
from policies.errors import ExpungeError


def check_report(folder: EvidenceFolder) -> Iterator[Finding]:
    """Compare the report with itself: its form, and what follows from its own figures and policy."""
    report = folder.report
    if report is None:
        yield Finding(f"{REPORT_JSON} is missing or is no report")
        return
    if report.to_json() != folder.text(REPORT_JSON):
        yield Finding(f"{REPORT_JSON} is not in the form in which it is written: a derived figure differs")
    for sentence in contradictions(report):
        yield Finding(f"{REPORT_JSON}: {sentence}")
    try:
        again = rejudge(report)
    except ExpungeError:
        yield Finding(f"{REPORT_JSON}: its policy or its gate cannot be read, so nothing can be judged by it")
        return
    for field in JUDGED:
        if getattr(again, field) != getattr(report, field):
            yield Finding(f"{REPORT_JSON}: {_difference(field, again, report)}")


def _difference(field: str, again: Report, report: Report) -> str:
    """Say what a report holds and what follows from its own figures."""
    if field == "exit_code":
        return f"the exit code is {report.exit_code}, and {again.exit_code} follows from its figures"
    if field == "criteria":
        follow = {row.measure: row for row in again.criteria}
        told = {row.measure: row for row in report.criteria}
        names = [name for name in {**follow, **told} if follow.get(name) != told.get(name)]
        where = ", ".join(names) or "their order"
        return f"other criteria follow from its policy and its figures ({where})"
    return f"another {field.replace('_', ' ')} follows from its policy and its figures"


def check_manifest(folder: EvidenceFolder) -> Iterator[Finding]:
    """Compare what the manifest says of the run with the report."""
    manifest, report = folder.manifest, folder.report
    if manifest is None or report is None:
        return
    told = {
        "inputs.policy": (manifest.inputs.get("policy"), report.policy.digest),
        "inputs.model": (manifest.inputs.get("model"), report.model_before.digest),
        "inputs.corpus": (manifest.inputs.get("corpus"), report.scope.corpus),
        "inputs.reference": (manifest.inputs.get("reference"), _reference_digest(report)),
        "seed": (manifest.seed, report.seed),
        "versions": ({name: manifest.versions.get(name) for name in report.versions}, report.versions),
    }
    for name, (listed, reported) in told.items():
        if listed != reported:
            yield Finding(f"{MANIFEST} and {REPORT_JSON} differ in {name}")


def _reference_digest(report: Report) -> str | None:
    found = report.forget_quality
    return found.reference.digest if found and found.reference else None


def check_pages(folder: EvidenceFolder) -> Iterator[Finding]:
    """Render the report again and compare every page; a report that is damaged is named by its digest already."""
    manifest, report = folder.manifest, folder.text(REPORT_JSON)
    if manifest is None or report is None or folder.report is None or not folder.is_intact(REPORT_JSON):
        return
    others = [name for name in ("expunge", *RENDERERS) if manifest.versions.get(name) != version(name)]
    for name, text in _rendered(report, manifest.started).items():
        if name == REPORT_JSON or folder.text(name) == text:
            continue
        absent = name not in manifest.files and name not in folder.files
        if others and (absent or folder.is_intact(name)):
            what = "is not there: the folder was" if absent else "was"
            yield Finding(
                f"{name} {what} written with other versions ({', '.join(others)}), and could not be rendered again",
                "unchecked",
            )
        else:
            yield Finding(f"{name} is not what {REPORT_JSON} says")


@lru_cache(maxsize=1)
def _rendered(report: str, started: str) -> dict[str, str]:
    read = Report.from_json(report)
    return {name: render(read, started) for name, render in FORMATS.items()} | checkpoint_pages(read)


def check_statement(folder: EvidenceFolder) -> Iterator[Finding]:
    """Derive the Statement from the manifest and the report again."""
    text = folder.text(STATEMENT)
    if text is None:
        yield Finding(f"{STATEMENT} is missing or no text")
    elif folder.manifest is not None and folder.manifest_text is not None and folder.report is not None:
        if text != statement_text(folder.manifest_text, folder.report):
            yield Finding(f"{STATEMENT} is not what {MANIFEST} and {REPORT_JSON} say")
    elif folder.data(STATEMENT) is None:
        yield Finding(f"{STATEMENT} is no Statement")


def check_bom(folder: EvidenceFolder) -> Iterator[Finding]:
    """Derive the bill of materials from the manifest and the report again."""
    manifest, report = folder.manifest, folder.report
    if manifest is None or report is None:
        return
    files = checkpoint_files(manifest.model_dump())
    if folder.text(BOM) != bom_text(report, files):
        yield Finding(f"{BOM} is not what {MANIFEST} and {REPORT_JSON} say")
