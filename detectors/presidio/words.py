"""Words of a text's tokens and keys, without their inflection: what context words are compared with.

A lemma depends on whether a language model is installed, and makes "bear" of "born". These forms depend on the text
alone, so that context words count alike with a model and without.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

# The parts of a key in any case style, and the words of prose: date_of_birth, dateOfBirth, DOBField, PHONE-NUMBER.
_PART = re.compile(r"[^\W\d_]\.(?:[^\W\d_]\.?)+(?![^\W\d_])|[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[^\W\d_]+")
_NO_KEY = re.compile(r"://|@|^www\.")
# What a key may be run together with: phonenumber, passportno, homephone, dateofbirth.
_BEFORE = (
    "dateof",
    "placeof",
    "home",
    "work",
    "user",
    "customer",
    "client",
    "patient",
    "employee",
    "contact",
)
_AFTER = ("numbers", "number", "num", "no", "nr", "id", "code", "address", "date")
_LEAST_KEY = 3
_VOWEL = re.compile(r"[aeiouy]")
_LEAST_STEM = 3


@lru_cache(maxsize=10_000)
def words_of(token: str) -> frozenset[str]:
    """Return the words of a token or a key, each without its inflection: "birth" among those of "date_of_birth"."""
    token = token.removesuffix("'s")
    lowered = token.lower()
    if lowered.isalpha() and token[1:].islower():
        return frozenset(map(uninflected, {lowered, *_run_together(lowered)}))
    if _NO_KEY.search(lowered):
        return frozenset((lowered,))
    parts = [part.replace(".", "").lower() for part in _PART.findall(token)]
    whole = {lowered, lowered.rstrip(".:="), *parts}
    return frozenset(map(uninflected, whole.union(*map(_run_together, parts))))


def key_parts(key: str) -> list[str]:
    """Return the words of a key, in order, in lower case."""
    return [part.replace(".", "").lower() for part in _PART.findall(key)]


def uninflected(word: str) -> str:
    """Return a word in lower case without the endings that English adds to it; the stem itself may be no word."""
    stem = root(word)
    return stem[:-1] if len(stem) > _LEAST_STEM and stem[-1] == stem[-2] else stem


def root(word: str) -> str:
    """Return what a word's inflected forms begin with: "phon" of "phone" and "phones"."""
    if not (word.isascii() and word.isalpha()):
        return word
    for ending in ("ings", "ing", "ed", "es", "s", "e"):
        stem = word[: -len(ending)]
        if word.endswith(ending) and len(stem) >= _LEAST_STEM and _VOWEL.search(stem):
            return word if ending == "s" and stem[-1] in "su" else stem
    return word


def roots(words: Iterable[str]) -> tuple[str, ...]:
    """Return the roots of some words: a text that holds none of them holds no form of the words."""
    return tuple(dict.fromkeys(map(root, words)))


def _run_together(word: str) -> set[str]:
    """Return what is left of a key written as one word, without what such keys begin or end with."""
    begun = {word[len(before) :] for before in _BEFORE if word.startswith(before)}
    ended = {each[: -len(after)] for each in (word, *begun) for after in _AFTER if each.endswith(after)}
    return {each for each in begun | ended if len(each) >= _LEAST_KEY}
