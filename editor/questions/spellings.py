"""A secret in other spellings: whoever asks a model takes 4155550132 for 415-555-0132."""

import re
from typing import Literal

Spelling = Literal[
    "as found", "digits alone", "with spaces", "with dots", "with dashes", "lower case", "upper case"
]
SEPARATED = re.compile(r"(?<=\d)[\s().-]+(?=\d)")
EDGES = re.compile(r"^\(|(?<=\d)\)$")
_BETWEEN: dict[Spelling, str] = {
    "digits alone": "",
    "with spaces": " ",
    "with dots": ".",
    "with dashes": "-",
}


def respell(secret: str, spelling: Spelling) -> str:
    """Return the secret in a spelling; as it is where the spelling does not apply to it."""
    if spelling == "lower case":
        return secret.lower()
    if spelling == "upper case":
        return secret.upper()
    between = _BETWEEN.get(spelling)
    if between is None or any(map(str.isalpha, secret)):
        return secret
    return SEPARATED.sub(between, EDGES.sub("", secret))


def spellings(secret: str) -> dict[Spelling, str]:
    """Return the other spellings of a secret, each text once."""
    found: dict[str, Spelling] = {secret: "as found"}
    for spelling in (*_BETWEEN, "lower case", "upper case"):
        found.setdefault(respell(secret, spelling), spelling)
    return {spelling: text for text, spelling in found.items() if text != secret}
