"""The sender of a message, whose its body is where nothing in it says otherwise."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from detectors.people.register import Mention

_HEADERS = re.compile(
    r"\A\s*(?:(?:From|Sender|To|Cc|Bcc|Reply-To|Subject|Date|Sent|Von|An|Betreff|Datum|De|À|Objet|Para|Asunto):[^\n]*\n)+"
)
_FROM = re.compile(r"^(?:From|Sender|Von|De):(?P<sender>[^\n]*)$", re.MULTILINE)
_QUOTED = re.compile(
    r"^(?:>|-{2,} ?(?:Original|Forwarded|Ursprüngliche)|(?:From|Von|De): |On [^\n]{4,80} wrote:|"
    r"Am [^\n]{4,80} schrieb)",
    re.MULTILINE,
)
# In small letters: "Mon" is a day, "MA" a state.
_MINE = re.compile(r"\b(?:[Mm]y|[Mm]ine|[Mm]ein\w*|mon|ma|mes|mis?|mi[oa])\b(?!\s+\w+['’]s\b)")


class Letter(NamedTuple):
    """A message with its headers.

    Attributes:
        sender: where its header names who sends it; None where that is nobody who has a name.
        start: position where the body begins.
        end: one past the position where it ends: before what is quoted or passed on.
    """

    sender: Mention | None
    start: int
    end: int

    def holds(self, position: int) -> bool:
        """Return whether a place is in the body."""
        return self.start <= position < self.end


def read_letter(text: str, mentions: Sequence[Mention]) -> Letter | None:
    """Return the message that a text is; None where it does not begin with its headers, the sender's among them.

    Args:
        text: text of the document.
        mentions: where it names people, known or not.
    """
    headers = _HEADERS.match(text)
    sent = _FROM.search(text, 0, headers.end()) if headers else None
    if headers is None or sent is None:
        return None
    quoted = _QUOTED.search(text, headers.end())
    named = [mention for mention in mentions if sent.start("sender") <= mention.start < sent.end("sender")]
    return Letter(named[0] if named else None, headers.end(), quoted.start() if quoted else len(text))


def is_own(text: str) -> bool:
    """Return whether what stands before a secret says that it is the writer's: "my number is"."""
    return _MINE.search(text) is not None
