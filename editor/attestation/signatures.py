"""Whether a folder's signatures are those of a public key."""

from collections.abc import Iterator

from editor.attestation.findings import Finding
from editor.attestation.folder import EvidenceFolder
from editor.attestation.signing import (
    ENVELOPE,
    MODEL_SIGNATURE,
    Verifier,
    model_statement,
    payload_of,
    read_envelope,
)
from editor.attestation.statement import STATEMENT, canonical, checkpoint_files


def check_signatures(folder: EvidenceFolder, verifier: Verifier | None) -> Iterator[Finding]:
    """Compare what was signed with what is there, and check the signatures where there is a key to check them with."""
    if ENVELOPE not in folder.files:
        if verifier is not None:
            yield Finding(f"{ENVELOPE} is missing: the folder is not signed")
        return
    try:
        envelope = read_envelope(folder.text(ENVELOPE) or "")
        signed = payload_of(envelope).decode()
        valid = verifier is None or verifier.signs(envelope)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        yield Finding(f"{ENVELOPE} is no signed Statement in the form in which it is written")
        return
    if signed != folder.text(STATEMENT):
        yield Finding(f"{ENVELOPE} signs another Statement than {STATEMENT}")
    if not valid:
        yield Finding(f"{ENVELOPE} was not signed with this key")
    if verifier is None:
        yield Finding("The folder is signed, and no key was given to check the signature with", "unchecked")
    elif MODEL_SIGNATURE in folder.files:
        yield from _check_model_signature(folder, verifier)


def _check_model_signature(folder: EvidenceFolder, verifier: Verifier) -> Iterator[Finding]:
    files = checkpoint_files(folder.manifest.model_dump()) if folder.manifest else {}
    try:
        envelope = folder.data(MODEL_SIGNATURE)["dsseEnvelope"]
        agrees = payload_of(envelope).decode() == canonical(model_statement(files)) and verifier.signs(
            envelope
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        agrees = False
    if not agrees:
        yield Finding(f"{MODEL_SIGNATURE} is no signature of the checkpoint's files with this key")
