"""What is known to be personal from a facts file and a request, for jobs that have no case."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from detectors import read_facts
from editor.api.running import as_path, read_request
from policies import ErasureRequest


@dataclass(frozen=True, kw_only=True)
class Known:
    """Names of people and secrets.

    Attributes:
        names: names and aliases.
        secrets: secrets, e-mail addresses among them.
    """

    names: frozenset[str] = field(default=frozenset(), repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def read(cls, facts: str | Path | None, request: "str | Path | ErasureRequest | None") -> Self:
        """Read a facts file and a request.

        Raises:
            CorpusError: the facts file cannot be read.
            PolicyError: the request cannot be used.
        """
        path, asked = as_path(facts), read_request(request, ())
        found = list(read_facts(path)) if path is not None else []
        subjects = asked.subjects if asked is not None else ()
        return cls(
            names=frozenset(
                [fact.subject for fact in found if fact.is_linked]
                + [name for subject in subjects for name in (subject.name, *subject.aliases)]
            ),
            secrets=frozenset(
                [fact.secret for fact in found]
                + [text for subject in subjects for _, text in subject.secrets]
                + [email for subject in subjects for email in subject.emails]
            ),
        )

    @property
    def full_names(self) -> frozenset[str]:
        """Names of more than one word: a single word is no name of one person alone."""
        return frozenset(name for name in self.names if " " in name)
