"""How much a regular expression asks of the engine that compiles it: repetitions within repetitions multiply."""

import re

MOST_ATOMS = 20_000
"""Single characters, classes and groups of an expression once bounded repetitions are written out."""
MOST_CHARACTERS = 10_000
MOST_GROUPS_DEEP = 50
_REPEATED = re.compile(r"\{(\d*)(,?)(\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]?", re.DOTALL)
_LONGEST_NUMBER = 9
"""Digits of a number of repetitions that is still read as one."""


def find_excess(regex: str) -> str | None:
    """Return what of an expression is beyond the limits, in words; None where nothing is.

    `(a{100}){100}` counts as 10,000 atoms: engines write repetitions out, and a few characters could take gigabytes.
    """
    if len(regex) > MOST_CHARACTERS:
        return f"more than {MOST_CHARACTERS:,} characters"
    sizes, last = [0], 0  # of each group that is open; of what a repetition would repeat
    position = 0
    while position < len(regex):
        character = regex[position]
        repeated = _REPEATED.match(regex, position) if character == "{" else None
        position += 1
        if character == "(":
            sizes.append(1)
            if len(sizes) > MOST_GROUPS_DEEP + 1:  # the first is the expression itself
                return f"groups nested more than {MOST_GROUPS_DEEP} deep"
            last = 0
            continue
        if character == ")" and len(sizes) > 1:
            last = sizes.pop()
        elif repeated:
            position = repeated.end()
            count = _count(repeated)
            added, last = last * (count - 1), last * count
            sizes[-1] += max(0, added)
            if sizes[-1] > MOST_ATOMS:
                return _TOO_MANY
            continue
        elif character in "*+?|":
            continue
        else:
            position = _atom_end(regex, position - 1)
            last = 1
        sizes[-1] += last
        if sizes[-1] > MOST_ATOMS:
            return _TOO_MANY
    return None


_TOO_MANY = f"repetitions of repetitions, more than {MOST_ATOMS:,} characters once they are written out"


def _count(repeated: re.Match[str]) -> int:
    """Return how often a repetition is written out: its most, or its least where it has no most."""
    least, _, most = repeated.groups()
    if max(len(least), len(most)) > _LONGEST_NUMBER:
        return MOST_ATOMS + 1
    return int(most or least or 1)


def _atom_end(regex: str, start: int) -> int:
    """Return where an escape, a class or a single character ends."""
    if regex[start] == "\\":
        return start + 2
    match = _CLASS.match(regex, start) if regex[start] == "[" else None
    return match.end() if match else start + 1
