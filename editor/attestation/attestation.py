"""What a run writes last into its folder, about the files that are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from editor.attestation.bom import BOM, bom_text
from editor.attestation.signing import ENVELOPE, MODEL_SIGNATURE, Signer
from editor.attestation.statement import STATEMENT, model_files, statement_text
from editor.results.report import Report


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Evidence about a run.

    Attributes:
        report: What was measured.
        checkpoint: Digests of the judged checkpoint's files, where it lies elsewhere.
        signer: Key that signs; None for no signature.
    """

    report: Report
    checkpoint: Mapping[str, str] = field(default_factory=dict)
    signer: Signer | None = None

    def before_manifest(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """Return the bill of materials, and the signature of the checkpoint that lies in the folder."""
        written = model_files(files)
        texts = {BOM: bom_text(self.report, written or self.checkpoint)}
        signature = self.signer.model_signature(written) if self.signer and written else None
        return texts | ({MODEL_SIGNATURE: signature} if signature else {})

    def after_manifest(self, manifest: str) -> Mapping[str, str]:
        """Return the Statement, which vouches for the manifest, and the signature over it."""
        statement = statement_text(manifest, self.report)
        texts = {STATEMENT: statement}
        return texts | ({ENVELOPE: self.signer.envelope(statement)} if self.signer else {})
