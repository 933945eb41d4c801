"""Decoys: never-seen secrets of the same format, to show what chance alone looks like."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from editor.questions.secret_format import PARTS, SecretFormat

ATTEMPTS = 100
"""Draws for each decoy wanted, at most."""
DIGITS = "0123456789"


class DecoyMaker:
    """Maker of secrets that look like a relation's true ones and are none of them.

    A decoy keeps a true secret's punctuation. Its digits and words are drawn from those that stand at the same
    place in other secrets of the same relation, so that a prefix which all of them share stays; where they leave
    nothing to vary, as one secret alone does, digits are drawn freely. Where every secret of the relation passes the
    Luhn checksum (ISO/IEC 7812), so does every decoy.

    Args:
        secrets: the true secrets by relation.
        seed: the seed; decoys depend on it, the secret and the known secrets alone.
    """

    def __init__(self, secrets: Mapping[str, Iterable[str]], *, seed: int) -> None:
        self.seed = seed
        self.format = SecretFormat(secrets)
        self.luhn = {
            relation
            for relation, values in self.format.known.items()
            if values and all(map(passes_luhn, values))
        }

    def make(self, relation: str, secret: str, count: int) -> tuple[str, ...]:
        """Return at most `count` different decoys; fewer where the format leaves too little to vary."""
        known = self.format.known.get(relation, ())
        for free in (False, True):
            source = random.Random(f"{self.seed}\0{relation}\0{secret}")
            made: dict[str, None] = {}
            for _ in range(count * ATTEMPTS):
                if len(made) == count:
                    break
                decoy = self._draw(source, relation, PARTS.findall(secret), free=free)
                if decoy != secret and decoy not in known:
                    made[decoy] = None
            if made:
                return tuple(made)
        return ()

    def _draw(self, source: random.Random, relation: str, parts: Sequence[str], *, free: bool) -> str:
        drawn = []
        for place, part in enumerate(parts):
            if part.isdigit():
                seen = (self.format.choices(relation, place, offset) for offset in range(len(part)))
                drawn.append("".join(source.choice(DIGITS if free else digits or DIGITS) for digits in seen))
            elif part.isalpha():
                drawn.append(source.choice(self.format.choices(relation, place, 0) or [part]))
            else:
                drawn.append(part)
        text = "".join(drawn)
        return _with_check_digit(text) if relation in self.luhn else text


def passes_luhn(text: str) -> bool:
    """Return whether a text's digits (12 to 19, and nothing beside but separators) pass Luhn's checksum."""
    digits = re.sub(r"\D", "", text)
    return 12 <= len(digits) <= 19 and not re.search(r"[^\d\s-]", text) and _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled)


def _with_check_digit(text: str) -> str:
    last = max(i for i, character in enumerate(text) if character.isdigit())
    for digit in "0123456789":
        candidate = text[:last] + digit + text[last + 1 :]
        if _luhn_sum(re.sub(r"\D", "", candidate)) % 10 == 0:
            return candidate
    return text
