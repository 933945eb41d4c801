"""What a check of the installation found."""

from dataclasses import dataclass
from typing import Literal

from policies.errors import ExitCode

State = Literal["good", "note", "bad"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One sentence about the installation or the machine.

    Attributes:
        area: what it is about.
        state: `bad` for what must be mended, `note` for what one should know, else `good`.
        text: the sentence, without its full stop.
        remedy: what helps, without its full stop; empty where nothing is needed.
    """

    area: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All that was found.

    Attributes:
        findings: the findings, in the order of the checks.
    """

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """0 where nothing must be mended, else 2; notes change nothing."""
        return ExitCode.USAGE if any(one.state == "bad" for one in self.findings) else ExitCode.MET
