"""Names of files as a report shows them: without the working folder, and none that holds a name or a secret."""

from collections.abc import Iterable
from pathlib import Path

from detectors import Fact

LEAST_PERSONAL_CHARACTERS = 4
"""Letters and digits from which on a name or a secret is looked for in the names of files."""


def shown_path(path: str) -> str:
    """Return a path in the working folder from there on, and another one as it is."""
    if not Path(path).is_absolute() or not Path(path).is_relative_to(Path.cwd()):
        return path
    return Path(path).relative_to(Path.cwd()).as_posix()


class PersonalTexts:
    """The names and secrets of facts, to look for in the names of files.

    Args:
        facts: the facts, about everybody.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        texts = {_folded(text) for fact in facts for text in (fact.subject, fact.secret)}
        self._texts = {text for text in texts if len(text) >= LEAST_PERSONAL_CHARACTERS}
        self._lengths = sorted({len(text) for text in self._texts})

    def stand_in(self, name: str) -> bool:
        """Return whether one of them stands in a file's name, whatever its case and signs."""
        folded = _folded(name)
        return any(
            folded[start : start + length] in self._texts
            for length in self._lengths
            for start in range(len(folded) - length + 1)
        )


def _folded(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
