"""Styles of documents by name. None uses the wordings of the gdpr preset or of the embedded lab."""

from collections.abc import Mapping
from types import MappingProxyType

from examples.labs.styles.biographies import BIOGRAPHIES
from examples.labs.styles.chat import CHAT
from examples.labs.styles.letters import LETTERS
from examples.labs.styles.records import KEY_VALUES, RECORDS
from examples.labs.styles.sentences import BULLETIN, NOTES
from examples.labs.styles.style import Style

STYLES: Mapping[str, Style] = MappingProxyType(
    {
        "notes": NOTES,
        "bulletin": BULLETIN,
        "records": RECORDS,
        "key-values": KEY_VALUES,
        "letters": LETTERS,
        "chat": CHAT,
        "biographies": BIOGRAPHIES,
    }
)

__all__ = ["STYLES", "Style"]
