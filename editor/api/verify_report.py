"""A check of an output folder: does it agree with itself?"""

from pathlib import Path

from editor.api.folder_requests import VerifyReportRequest
from editor.api.running import as_path
from editor.attestation.checking import check_folder
from editor.attestation.findings import CheckedReport
from editor.attestation.signing import Verifier


def run_verify_report(request: VerifyReportRequest) -> CheckedReport:
    """Recompute digests, verdict and exit code from the artefacts, and name every disagreement."""
    verifier = Verifier.load(Path(request.key)) if request.key else None
    return check_folder(
        Path(request.folder),
        checkpoint=as_path(request.checkpoint),
        edit=as_path(request.edit),
        verifier=verifier,
        ledger=as_path(request.ledger),
    )
