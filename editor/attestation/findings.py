"""What a check of an output folder found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from editor.results.report import Report
from policies.errors import ExitCode


@dataclass(frozen=True)
class Finding:
    """One sentence about a folder.

    Attributes:
        text: The sentence, without its full stop; no personal data.
        kind: `wrong` for a disagreement, `unchecked` for what could not be compared, else `note`.
    """

    text: str
    kind: Literal["wrong", "unchecked", "note"] = "wrong"


@dataclass(frozen=True, kw_only=True)
class CheckedReport:
    """An output folder, checked.

    Attributes:
        folder: The folder.
        findings: What was found.
        report: The report in it; None where it cannot be read.
    """

    folder: Path
    findings: tuple[Finding, ...]
    report: Report | None

    @property
    def disagreements(self) -> tuple[str, ...]:
        """What does not agree, a sentence each."""
        return self._of("wrong")

    @property
    def unchecked(self) -> tuple[str, ...]:
        """What could not be compared, a sentence each."""
        return self._of("unchecked")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, a sentence each."""
        return self._of("note")

    @property
    def exit_code(self) -> ExitCode:
        """0 where all agrees, 2 where something does not, 4 where something could not be compared."""
        if self.disagreements:
            return ExitCode.USAGE
        return ExitCode.INCOMPLETE if self.unchecked else ExitCode.MET

    def _of(self, kind: str) -> tuple[str, ...]:
        return tuple(finding.text for finding in self.findings if finding.kind == kind)
