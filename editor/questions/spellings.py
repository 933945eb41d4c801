"""A secret in other spellings: whoever asks a model takes 4155550132 for 415-555-0132."""

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

Spelling = Literal[
    "as found",
    "digits alone",
    "with spaces",
    "with dots",
    "with dashes",
    "lower case",
    "upper case",
    "percent escape",
    "Markdown escape",
    "fullwidth",
    "digit by digit",
    "digits in words",
]
SEPARATED = re.compile(r"(?<=\d)[\s().-]+(?=\d)")
EDGES = re.compile(r"^\(|(?<=\d)\)$")
_BETWEEN: dict[Spelling, str] = {
    "digits alone": "",
    "with spaces": " ",
    "with dots": ".",
    "with dashes": "-",
}
# As documents have a secret that is found in its own form, and as a model learns it from them.
_WRITTEN: dict[Spelling, Callable[[str], str]] = {
    "lower case": str.lower,
    "upper case": str.upper,
    "percent escape": lambda secret: quote(secret, safe="/:?=&# ()") if set(secret) & {"@", "+"} else secret,
    "Markdown escape": lambda secret: re.sub(r"([_*])", r"\\\1", secret),
    "fullwidth": lambda secret: secret.replace("@", "\uff20"),
}
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# As somebody spells a secret out who was asked to: an attack, which no audit looks for by itself.
_SPELLED_OUT: dict[Spelling, Callable[[str], str]] = {
    "digit by digit": lambda secret: " ".join(re.sub(r"\s", "", secret)),
    "digits in words": lambda secret: " ".join(
        DIGIT_NAMES[int(one)] if one in "0123456789" else one for one in re.sub(r"\s", "", secret)
    ),
}


def respell(secret: str, spelling: Spelling) -> str:
    """Return the secret in a spelling; as it is where the spelling does not apply to it."""
    written = _WRITTEN.get(spelling) or _SPELLED_OUT.get(spelling)
    if written:
        return written(secret)
    between = _BETWEEN.get(spelling)
    if between is None or any(map(str.isalpha, secret)):
        return secret
    return SEPARATED.sub(between, EDGES.sub("", secret))


def spellings(secret: str) -> dict[Spelling, str]:
    """Return the other spellings of a secret, each text once."""
    found: dict[str, Spelling] = {secret: "as found"}
    for spelling in (*_BETWEEN, *_WRITTEN):
        found.setdefault(respell(secret, spelling), spelling)
    return {spelling: text for text, spelling in found.items() if text != secret}
