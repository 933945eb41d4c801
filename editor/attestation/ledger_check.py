"""Whether a folder's line is in a ledger, and the ledger's chain holds."""

from collections.abc import Iterator

from editor.attestation.findings import Finding
from editor.attestation.folder import EvidenceFolder
from editor.attestation.ledger import Ledger, entry_of
from policies.errors import OutputError


def check_ledger(folder: EvidenceFolder, ledger: Ledger | None) -> Iterator[Finding]:
    """Check the chain, and find the folder's own line, which says what the folder says."""
    if ledger is None:
        return
    try:
        entries = ledger.entries()
    except OutputError as error:
        yield Finding(error.cause)
        return
    if folder.manifest is None or folder.report is None:
        return
    told = entry_of(folder.path, folder.report, number=1, previous="0" * 64)
    mine = [entry for entry in entries if entry.manifest == told.manifest]
    if not mine:
        yield Finding(f"The ledger {ledger.path} has no line about this folder")
    for entry in mine:
        if entry != told.model_copy(update={"number": entry.number, "previous": entry.previous}):
            yield Finding(f"Line {entry.number} of the ledger {ledger.path} says otherwise than the folder")
