"""What a run writes last into its folder, about the files that are there."""

from collections.abc import Mapping
from dataclasses import dataclass

from editor.attestation.statement import STATEMENT, statement_text
from editor.results.report import Report


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """Evidence about a run.

    Attributes:
        report: What was measured.
    """

    report: Report

    def before_manifest(self, files: Mapping[str, str]) -> Mapping[str, str]:  # noqa: ARG002
        """Return what the manifest lists."""
        return {}

    def after_manifest(self, manifest: str) -> Mapping[str, str]:
        """Return the Statement, which vouches for the manifest."""
        return {STATEMENT: statement_text(manifest, self.report)}
