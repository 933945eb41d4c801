"""A style of document as a value: how a document begins, how it states each fact, how statements are joined."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Style:
    """One style of document.

    A statement is `wording + " " + answer + end`. In wordings and leads `{subject}` stands for a person's full name and
    `{first}` for the first name.

    Attributes:
        wordings: ways to state a fact, by relation: each ends where the answer begins.
        leads: ways a document about one person begins; none where a document is about anybody and each wording
            names its person.
        closings: ways a document about one person ends.
        joint: what stands between two statements.
        end: what stands after an answer.
        facts: fewest and most statements in a document.
    """

    wordings: Mapping[str, tuple[str, ...]]
    leads: tuple[str, ...] = ()
    closings: tuple[str, ...] = ("",)
    joint: str = " "
    end: str = "."
    facts: tuple[int, int] = (2, 4)

    @property
    def personal(self) -> bool:
        """Whether a document is about one person."""
        return bool(self.leads)
