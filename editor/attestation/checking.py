"""An output folder checked against itself."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from editor.attestation.agreement import (
    check_bom,
    check_manifest,
    check_pages,
    check_report,
    check_statement,
)
from editor.attestation.checkpoint import check_checkpoint, check_elsewhere, check_kept
from editor.attestation.findings import CheckedReport, Finding
from editor.attestation.folder import EvidenceFolder, check_files
from editor.attestation.ledger import Ledger
from editor.attestation.ledger_check import check_ledger
from editor.attestation.signatures import check_signatures
from editor.attestation.signing import Verifier
from policies.errors import RequestError

CHECKS = (
    check_files,
    check_report,
    check_manifest,
    check_pages,
    check_statement,
    check_bom,
    check_checkpoint,
)
"""Checks of a folder by what it holds itself."""


def check_folder(
    path: Path,
    *,
    checkpoint: Path | None = None,
    edit: Path | None = None,
    verifier: Verifier | None = None,
    ledger: Path | None = None,
) -> CheckedReport:
    """Recompute what a folder says from what is in it, and return every disagreement.

    Args:
        path: output folder of an audit, an erasure or a verification.
        checkpoint: folder of the checkpoint that was judged, where it lies elsewhere; None does not look at it.
        edit: folder that the edit was kept in; None does not look at it.
        verifier: public key of whoever signed the folder; None checks no signature.
        ledger: file that lists the folder; None does not look for it.

    Raises:
        RequestError: there is no such folder or file.
    """
    for given in (path, checkpoint, edit):
        if given is not None and not given.is_dir():
            raise RequestError(
                f"There is no folder {given}", "Name an output folder of audit, erase or verify"
            )
    if ledger is not None and not ledger.is_file():
        raise RequestError(f"There is no ledger {ledger}", "Name the file that `erase --ledger` wrote")
    folder = EvidenceFolder(path)
    checks = (
        *CHECKS,
        partial(check_signatures, verifier=verifier),
        partial(check_elsewhere, checkpoint=checkpoint),
        partial(check_kept, edit=edit),
        partial(check_ledger, ledger=None if ledger is None else Ledger(ledger)),
    )
    findings = tuple(finding for check in checks for finding in _run(check, folder))
    return CheckedReport(folder=path, findings=findings, report=folder.report)


def _run(check: Callable[[EvidenceFolder], Iterator[Finding]], folder: EvidenceFolder) -> Iterator[Finding]:
    """Yield what a check finds; whatever it stumbles over in a forged folder is a finding too."""
    try:
        yield from check(folder)
    except Exception as error:
        name = (check.func if isinstance(check, partial) else check).__name__
        yield Finding(f"The folder is none that a run writes ({name}: {type(error).__name__})")
