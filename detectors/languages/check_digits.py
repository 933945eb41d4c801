"""Check digits of national identity numbers. Every function takes a number without blanks or signs."""

from collections.abc import Callable, Sequence
from string import ascii_uppercase
from typing import Annotated, Literal

from pydantic import Field

from policies.reading import StrictModel

_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ),
        strict=True,
    )
)
_EVEN = {letter: value for value, letter in enumerate(ascii_uppercase)} | {str(n): n for n in range(10)}
Digits = Annotated[tuple[int, ...], Field(strict=False)]


class Check(StrictModel):
    """How the check digit of a kind of number is computed.

    Attributes:
        kind: the rule; `shape` accepts every number.
        weights: one for each digit but the check digit.
        modulus: what the sum, or the number, is divided by.
        negate: whether the sum counts negatively.
        offset: what is added to the sum.
        position: 0-based position of the check digit; the last by default.
        second: weights for numbers whose remainder is 10 by the first.
        over: check digit where the remainder is 10; such a number is refused by default.
        alphabet: the check letter by remainder.
        extra: weight of a second letter.
        prefixes: digits that may be missing before the number.
        length: number of digits that the rule is about, from the first; all by default.
        last: number of digits that the rule is about, from the last; all by default.
        without: position of a sign that is no digit of the number.
        then: a second rule that must hold as well.
    """

    kind: Literal[
        "shape",
        "weighted",
        "weighted_letter",
        "remainder_letter",
        "divisible",
        "luhn",
        "mod_97",
        "mod_11_10",
        "odd_even",
    ]
    weights: Digits = ()
    modulus: int = 11
    negate: bool = False
    offset: int = 0
    position: int = -1
    second: Digits = ()
    over: int | None = None
    alphabet: str = ""
    extra: int = 0
    prefixes: tuple[str, ...] = ("",)
    length: int | None = None
    last: int = 0
    without: int | None = None
    then: "Check | None" = None

    def holds(self, number: str) -> bool:
        """Return whether the number's check digit is right."""
        if not _RULES[self.kind](number[-self.last :][: self.length], self):
            return False
        return self.then is None or self.then.holds(number)


def _weighted(number: str, check: Check) -> bool:
    at = check.position % len(number)
    digits, given = number[:at] + number[at + 1 :], int(number[at])
    remainder = _remainder(digits, check.weights, check)
    if remainder == 10 and check.second:
        remainder = _remainder(digits, check.second, check)
    if remainder == 10:
        return given == check.over
    return remainder == given


def _remainder(digits: str, weights: Sequence[int], check: Check) -> int:
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True))
    return (check.offset - total if check.negate else check.offset + total) % check.modulus


def _weighted_letter(number: str, check: Check) -> bool:
    count = len(check.weights)
    total = sum(weight * int(digit) for weight, digit in zip(check.weights, number[:count], strict=True))
    more = number[count + 1 :]
    if "A" <= more <= "I":
        total += check.extra * (ord(more) - ord("A") + 1)
    return check.alphabet[total % check.modulus] == number[count]


def _remainder_letter(number: str, check: Check) -> bool:
    if check.without is not None:
        number = number[: check.without] + number[check.without + 1 :]
    digits = number[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return check.alphabet[int(digits) % check.modulus] == number[-1]


def _divisible(number: str, check: Check) -> bool:
    return int(number) % check.modulus == 0


def _luhn(number: str, _check: Check) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0


def _mod_97(number: str, check: Check) -> bool:
    digits = number.replace("2A", "19").replace("2B", "18")
    return any(97 - int(prefix + digits[:-2]) % 97 == int(digits[-2:]) for prefix in check.prefixes)


def _mod_11_10(number: str, _check: Check) -> bool:
    """Check by ISO 7064, MOD 11,10."""
    product = 10
    for digit in number[:-1]:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(number[-1])


def _odd_even(number: str, _check: Check) -> bool:
    total = sum(_ODD[sign] for sign in number[:-1:2]) + sum(_EVEN[sign] for sign in number[1:-1:2])
    return ascii_uppercase[total % 26] == number[-1]


_RULES: dict[str, Callable[[str, Check], bool]] = {
    "shape": lambda _number, _check: True,
    "weighted": _weighted,
    "weighted_letter": _weighted_letter,
    "remainder_letter": _remainder_letter,
    "divisible": _divisible,
    "luhn": _luhn,
    "mod_97": _mod_97,
    "mod_11_10": _mod_11_10,
    "odd_even": _odd_even,
}
