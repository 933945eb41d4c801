"""Mutations of valid files: of bytes, of text, and of JSON as values. The same generator of chance gives the same."""

import json
from random import Random
from typing import Any

WORDS = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\r",
        b"\r\n",
        b"\n\n",
        b'"',
        b"'",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b"<",
        b">",
        b"&",
        b"%s",
    ),
    *(
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"\xc3",
        b"../../x",
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b"true",
    ),
    *(
        b"99999999999999999999",
        b"&#" + b"9" * 5000 + b";",
        b"<![x[",
        b"<!--",
        b"*a",
        b"&a ",
        b"!!int x",
        b"- ",
        b"? ",
    ),
    *(
        b"\xef\xbb\xbf",
        b"PK\x03\x04",
        b"=?utf-8?b?",
        b"charset=undefined",
        b"\\ud800",
        b"{1,99999999999}",
        b"(" * 60,
    ),
)
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        5,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        2**31,
        2**63,
        10**30,
        "",
        "4",
        "x" * 3000,
    ),
    *(
        "\x1b[31m",
        "\ud800",
        "../../outside",
        "/etc/passwd",
        "a\nb",
        [],
        {},
        [[]],
        [None],
        {"": None},
        ["a", 1],
        "\u202e",
    ),
)
MOST_BYTES = 200_000


def mutated(data: bytes, chance: Random) -> bytes:
    """Return other bytes: one to four mutations, of values where the data are JSON, as likely as of bytes."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = (_of_json(data, chance) if chance.random() < 0.5 else None) or _of_bytes(data, chance)
    return data[:MOST_BYTES]


def _of_bytes(data: bytes, chance: Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    upto = min(len(data), at + chance.choice((1, 1, 2, 8, 64, 1000)))
    other = chance.randrange(len(data) + 1)
    before, after = data[:at], data[upto:]
    word, bit = chance.choice(WORDS), 1 << chance.randrange(8)
    changed = (
        before + bytes([data[at] ^ bit]) + data[at + 1 :] if at < len(data) else before,
        before + after,
        before + word + data[at:],
        before + word + after,
        before + data[at:upto] * chance.choice((2, 3, 50)) + after,
        before,
        before + data[other : other + 64] + data[at:],
    )
    return chance.choice(changed)


def _of_json(data: bytes, chance: Random) -> bytes | None:
    """Return JSON, or lines of it, with a value exchanged, taken out, doubled or renamed; None for no JSON."""
    lines = [data] if data[:1] in b"{[" and b"}\n{" not in data else data.split(b"\n")
    place = chance.randrange(len(lines))
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return None
    places = list(_places(value))
    if places:
        holder, key = chance.choice(places)
        _change(holder, key, chance)
    else:
        value = chance.choice(VALUES)
    try:
        lines[place] = json.dumps(value).encode()
    except RecursionError:  # made deep twice
        return None
    return b"\n".join(lines)


def _change(holder: Any, key: Any, chance: Random) -> None:
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[str(key) + chance.choice(("_", "s", "\x1b"))] = holder.pop(key)
    elif kind == 2:
        holder[key] = [holder[key]] * chance.choice((1, 2, 5))
    elif kind == 3:
        inner = holder[key]
        for _ in range(chance.choice((3, 90, 480))):
            inner = [inner] if chance.random() < 0.5 else {"a": inner}
        holder[key] = inner
    else:
        holder[key] = chance.choice(VALUES)


def _places(value: Any) -> Any:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ():
            yield one, key
            waiting.append(one[key])
