"""What a run writes last into its folder, about the files that are there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from editor.attestation.bom import BOM, bom_text
from editor.attestation.statement import STATEMENT, model_files, statement_text
from editor.results.report import Report


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Evidence about a run.

    Attributes:
        report: What was measured.
        checkpoint: Digests of the judged checkpoint's files, where it lies elsewhere.
    """

    report: Report
    checkpoint: Mapping[str, str] = field(default_factory=dict)

    def before_manifest(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """Return the bill of materials."""
        return {BOM: bom_text(self.report, model_files(files) or self.checkpoint)}

    def after_manifest(self, manifest: str) -> Mapping[str, str]:
        """Return the Statement, which vouches for the manifest."""
        return {STATEMENT: statement_text(manifest, self.report)}
