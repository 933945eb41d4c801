"""What is said to be a person's, and who is told by a person: "Ada Quill's number", "the landlord of Ada Quill"."""

import re

from detectors.people.register import Mention
from detectors.people.words import RELATIVES, THINGS_OF_PEOPLE

_AFTER = r"['’][sS]?\s+(?:[\w-]+\s+){{0,{most}}}?(?:{words})\b"
_BEFORE = r"\b(?:{words})\s+(?:{of})\s+(?:[A-Z][\w.]*\s+)?$"
_THINGS, _RELATIVES = ("|".join(sorted(words)) for words in (THINGS_OF_PEOPLE, RELATIVES))
_THING = re.compile(_AFTER.format(most=3, words=_THINGS), re.IGNORECASE)
_THING_BEFORE = re.compile(_BEFORE.format(words=_THINGS, of="of|for|von|de|di"), re.IGNORECASE)
_RELATIVE = re.compile(_AFTER.format(most=2, words=_RELATIVES), re.IGNORECASE)
_RELATIVE_BEFORE = re.compile(_BEFORE.format(words=_RELATIVES, of="of"), re.IGNORECASE)
_CHARACTERS_BEFORE = 60


def owns(text: str, mention: Mention) -> bool:
    """Return whether a thing such as a number is said to be a person's."""
    return bool(_THING.match(text, mention.end) or _THING_BEFORE.search(_before(text, mention)))


def relative_end(text: str, mention: Mention) -> int | None:
    """Return where "Ada Quill's manager" ends, or the name of "the manager of Ada Quill"; None for no such."""
    after = _RELATIVE.match(text, mention.end)
    if after:
        return after.end()
    return mention.end if _RELATIVE_BEFORE.search(_before(text, mention)) else None


def _before(text: str, mention: Mention) -> str:
    return text[max(0, mention.start - _CHARACTERS_BEFORE) : mention.start]
