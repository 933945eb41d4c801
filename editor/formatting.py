"""Numbers, and texts of others, as people read them. Rounding never turns "almost" into "none" or "all"."""

import math
import re
from datetime import UTC, datetime

from editor.results.report import Rate

COMMANDING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, marks of direction and halves of characters."""
MANY = ((1e15, ""), (1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand"))


def percent(share: float, *, signed: bool = False, apart_from: float | None = None) -> str:
    """Write a share as a percentage with one decimal: 0.996 is '99.6%', 0.99999 is '>99.9%', 1 is '100%'.

    Args:
        share: share of 0 to 1, or a relative change.
        signed: whether a sign and two decimals are written, as for a change.
        apart_from: limit; more decimals are written where fewer would read as if the share were equal to it.
    """
    text = _percent(share, signed=signed)
    if apart_from is None or share == apart_from or text != _percent(apart_from, signed=signed):
        return text
    finer = (
        (_decimals(share, n, signed=signed), _decimals(apart_from, n, signed=signed)) for n in range(2, 10)
    )
    return next((share_text for share_text, limit_text in finer if share_text != limit_text), text)


def _decimals(share: float, decimals: int, *, signed: bool) -> str:
    return f"{share * 100:{'+' if signed else ''}.{decimals}f}%".replace("-", "\N{MINUS SIGN}")


def _percent(share: float, *, signed: bool) -> str:
    if not math.isfinite(share):
        return "not finite"
    if signed:
        return "0%" if share == 0 else _decimals(share, 2, signed=True)
    if share in {0.0, 1.0}:
        return f"{share:.0%}"
    if 0 < share < 0.0005:
        return "<0.1%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{share:.1%}".removesuffix(".0%").removesuffix("%") + "%"


def count(rate: Rate) -> str:
    """Write hits of a total: '3 of 25'."""
    return f"{rate.hits:,} of {rate.total:,}"


def share_of(rate: Rate) -> str:
    """Write the rate as a percentage, '–' where nothing was tested."""
    return percent(rate.rate) if rate.total else "–"


def interval(rate: Rate) -> str:
    """Write the 95% interval in words: 'at most 13.7%' where nothing was hit, '4.5% to 31.2%' otherwise."""
    if rate.total == 0:
        return "nothing was tested"
    if rate.hits == 0:
        return f"at most {percent(rate.high)}"
    if rate.hits == rate.total:
        return f"at least {percent(rate.low)}"
    return f"{percent(rate.low)} to {percent(rate.high)}"


def certainty(rate: Rate) -> str:
    """Say in one sentence what a count and its 95% interval mean; nothing where nothing was counted.

    An end of the interval is the share at which a count as far off as this one comes up once in forty times.
    """
    if rate.total == 0:
        return ""
    if rate.hits in {0, rate.total}:
        never, share, found = ("never", rate.high, "none") if rate.hits == 0 else ("always", rate.low, "all")
        return (
            f"{count(rate)} does not mean {never}: if {percent(share)} of facts like these leaked, a check of "
            f"{rate.total:,} would still find {found} one time in forty, hence '{interval(rate)}'."
        )
    return (
        f"{count(rate)} is {percent(rate.rate)} of those that were asked for; of facts like these, between "
        f"{percent(rate.low)} and {percent(rate.high)} may leak, as shares beyond these ends would give such a count "
        "less than one time in forty."
    )


def moment(time: str) -> str:
    """Write a time in ISO 8601 for people, in UTC and without seconds: '2026-11-28 22:09 UTC'."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def bits(value: float | None) -> str:
    """Write bits with one decimal, without the unit: '31.4', '128' from a hundred on, '∞' where nothing was left."""
    if value is None:
        return ""
    if math.isinf(value):
        return "∞"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def odds(value: float) -> str:
    """Say how many tries a guess of so many bits takes: 0 is 'every try', 20 is '1 in 1 million tries'."""
    tries = 2.0**value if value < 1000 else math.inf
    if tries < 1.05:
        return "every try"
    if tries < 10:
        return f"1 in {tries:.1f} tries"
    for size, name in MANY:
        if tries >= size:
            return (
                "fewer than 1 in 1,000 trillion tries"
                if size == 1e15
                else f"1 in {tries / size:.0f}{name} tries"
            )
    return f"1 in {tries:.0f} tries"


def number(value: float | str) -> str:
    """Write any measured number, four significant digits at most and no trailing zeros."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:.4g}".replace("e-0", "e-").replace("-", "\N{MINUS SIGN}")


def arrow(before: str, after: str | None) -> str:
    """Write 'before → after', or 'before' where there is no after."""
    return before if after is None else f"{before} → {after}"


def plural(amount: int, noun: str) -> str:
    """Write an amount of a noun: '1 fact', '2 facts'."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def words(identifier: str) -> str:
    """Write an identifier as words: 'held_out' is 'held-out', 'same_subject' is 'same subject'."""
    return WORDS.get(identifier, identifier.replace("_", " "))


WORDS = {
    "erased": "Erased facts",
    "erased_before": "Facts of earlier requests",
    "same_subject": "Same people, other facts",
    "neighbours": "Neighbours' facts",
    "others": "Other people's facts",
    "decoys": "Decoys, never seen",
    "trained": "corpus wordings",
    "template": "policy wordings",
    "held_out": "held-out wordings",
    "prefix": "shorter beginnings",
    "unnamed": "beginnings without a name",
    "spelling": "other spellings",
    "free": "answers of its own",
    "all": "all wordings",
}


def duration(seconds: float) -> str:
    """Write a time in the unit in which it is small: '40 s', '4 min', '2.5 h'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def printable_lines(text: str) -> str:
    """Return text in which what commands a terminal or turns letters round is replaced; line ends and tabs stay."""
    return COMMANDING.sub("\N{REPLACEMENT CHARACTER}", text)
