r"""A text as a person reads it: without escapes and invisible characters, in plain spaces, hyphens and letters.

What is looked for is looked for in the reading, and stands in the document: a reading knows the place of each of its
characters. "nora%40example.org" and "goldi\_aqua@me.com" are addresses, and so are they in fullwidth letters.
"""

import html
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

_INVISIBLE = "\u200b"
# Compatible forms that read as the plain character; a superscript or a circled digit is something else.
_SAME = ("<wide>", "<font>", "<small>", "<narrow>", "<noBreak>")
_HYPHENS = frozenset("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d")
_SIGN = re.compile(f"[\\\\%&{_INVISIBLE}]")
_ESCAPE = re.compile(
    r"""
    \\(?P<markdown>[!-/:-@\[-`{-~])                           # goldi\_aqua
    | \\u00(?P<json>[2-7][0-9a-fA-F]|[aA]0)
    | (?P<control>\\[nrt])(?=[\w.+-]{0,64}(?:@|%(?:25)?40)|[+(]?\d)  # "Mail:\nnora@example.org" in a string of code
    | %(?:25)?(?P<sign>40|2[bB])
    | %(?P<percent>
        # a sign that stands before an address, before a number, after a number
        (?:3[aAbBdDfFcC]|2[02cCfF67]|7[cC]|0[aA])(?=[\w.+-]{1,64}(?:@|%(?:25)?(?:40|2[bB])))
        |(?:3[aAbBdD]|2[2cCfF67]|7[cC])(?=[+(]?\d{3}|%2[bB8])
        |(?<=\d{3}%)(?:2[267cC]|3[bBeE]|7[cC])
        |(?<=\w%)(?:5[fF]|2[dDeE])(?=\w)                      # a hyphen, dot or underscore within a word
        |(?<=[\d)]%)(?:20|2[dDeE])(?=[\d(%])                  # a separator within a number
        |28(?=\d)|(?<=\d%)29)
    | (?P<entity>&(?:\#0{0,4}(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6]|160|173|820[3-7])
        |\#[xX]0{0,4}(?:[2-7][0-9a-fA-F]|[aA][0dD]|200[b-fB-F])
        |nbsp|commat|period|lowbar|plus|hyphen|lpar|rpar|shy|zwj|zwnj|ZeroWidthSpace|amp|lt|gt|quot|apos);)
    | (?P<invisible>\u200b+)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a document's text.

    Attributes:
        text: the text as read.
        ends: where the escapes and gaps of the document end in `text`, ascending.
        shifts: how much further the document is from there on, by the same index.
        lengths: number of the document's characters that one character of `text` stands for, where not one.
    """

    text: str = field(repr=False)
    ends: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    lengths: dict[int, int] = field(default_factory=dict)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return where the characters from `start` up to `end` stand in the document; none is no place."""
        last = end - 1
        return self._position(start), self._position(last) + self.lengths.get(last, 1)

    def _position(self, position: int) -> int:
        index = bisect_right(self.ends, position) - 1
        return position if index < 0 else position + self.shifts[index]


def readings(text: str) -> Iterator[Reading]:
    """Yield the readings of a text: one, or a second where invisible characters may part words or may not."""
    plain = text if text.isascii() else text.translate(_PLAIN)
    if not _SIGN.search(plain):
        yield Reading(plain)
        return
    yield _unescaped(plain, "")
    if _INVISIBLE in plain:
        yield _unescaped(plain, " ")


def read_secret(entity_type: str, text: str) -> str:
    """Return a secret as a person would copy it out of the text in which it stands; a web address as it stands."""
    return text if entity_type == "URL" else next(readings(text)).text


def _unescaped(text: str, gap: str) -> Reading:
    """Return the text without its escapes, and with `gap` for invisible characters."""
    parts: list[str] = []
    ends: list[int] = []
    shifts: list[int] = []
    lengths: dict[int, int] = {}
    position = shift = 0
    for match in _ESCAPE.finditer(text):
        character = gap if match["invisible"] else _character(match)
        start = match.start() - shift
        parts += text[position : match.start()], character
        position = match.end()
        shift = position - start - len(character)
        if character:
            lengths[start] = len(match[0])
        ends.append(start + len(character))
        shifts.append(shift)
    parts.append(text[position:])
    return Reading("".join(parts), tuple(ends), tuple(shifts), lengths)


def _character(match: re.Match[str]) -> str:
    """Return the character that an escape stands for; nothing for one that cannot be seen."""
    if match["markdown"]:
        return match["markdown"]
    if match["control"] or match["percent"] == "26":  # the "&" between two fields, and not that of "r&d"
        return " "
    if match["entity"]:
        found = html.unescape(match["entity"]).translate(_PLAIN)
    else:
        found = chr(int(match["sign"] or match["percent"] or match["json"], 16)).translate(_PLAIN)
    return "" if found == _INVISIBLE else found


class _Plain(dict[int, str]):
    """A translation table, filled as characters are met: each has one plain character."""

    def __missing__(self, code: int) -> str:
        plain = self[code] = _plain(chr(code))
        return plain


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category == "Cf" or character == "\u034f":
        return _INVISIBLE
    if character in _HYPHENS:
        return "-"
    if unicodedata.decomposition(character).startswith(_SAME):
        compatible = unicodedata.normalize("NFKC", character)
        return compatible if len(compatible) == 1 and compatible.isascii() else character
    return character


_PLAIN = _Plain()
