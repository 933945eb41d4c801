"""Readers of lines of text and of JSON: one document in memory at a time."""

import re
from collections.abc import Iterator
from typing import IO

from detectors.corpus.documents import (
    CUT,
    LONGEST_DOCUMENT_CHARACTERS,
    REPLACED,
    TOO_LONG,
    WINDOWS,
    Document,
    Place,
    make_document,
    unread,
)
from detectors.corpus.rows import BeyondError, JsonParser
from detectors.corpus.sources import CARRIAGE_RETURNS, Source

NOT_JSON = "skipped: it is not JSON"
# Four bytes a character at most; a longer line is not held in memory. JSON and quoted cells cannot be cut.
_LONGEST_LINE_BYTES = 4 * LONGEST_DOCUMENT_CHARACTERS
_LONGEST_VALUE_BYTES = 16 * _LONGEST_LINE_BYTES
# Bytes of Windows-1252 beside a letter of ASCII, as in "Zo\xeb", and not in place of a whole text.
_BESIDE_LETTERS = re.compile(
    rb"(?<=[A-Za-z])[\x80-\xff]{1,2}|[\x80-\xff]{1,2}(?=[A-Za-z])|[\x91-\x97\xa0-\xbf]"
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_VALID = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def read_lines(source: Source) -> Iterator[Document]:
    """Yield one document per line."""
    with source.open() as stream:
        for number, line, problems in _lines(stream, _LONGEST_LINE_BYTES):
            returns = (CARRIAGE_RETURNS,) if "\r" in line else ()
            yield make_document(
                Place("line", number), line.replace("\r", "\n"), problems=(*problems, *returns)
            )


def read_json_lines(source: Source) -> Iterator[Document]:
    """Yield one document per line, each a JSON object; a line that is none is recorded, and the rest is read."""
    parser = JsonParser()
    with source.open() as stream:
        for number, line, problems in _lines(stream, _LONGEST_VALUE_BYTES):
            place = Place("line", number)
            if CUT in problems:
                yield unread(place, TOO_LONG)
                continue
            try:
                record = parser.parse(line)
            except BeyondError as error:
                yield unread(place, error.problem)
                continue
            except (ValueError, RecursionError):
                yield unread(place, NOT_JSON)
                continue
            yield parser.document(record, place, problems)


def decode(raw: bytes) -> tuple[str, tuple[str, ...]]:
    """Return bytes as text, and what was guessed or passed over in them."""
    try:
        return raw.decode(), ()
    except UnicodeDecodeError:
        pass
    beyond = len(_BEYOND_ASCII.findall(raw))
    beside = sum(len(match) for match in _BESIDE_LETTERS.findall(raw))
    if 4 * beside >= 3 * beyond and not _VALID.search(raw):
        try:
            return raw.decode("cp1252"), (WINDOWS,)
        except UnicodeDecodeError:
            pass
    return raw.decode("utf-8", "replace"), (REPLACED,)


def pieces(stream: IO[bytes], longest_bytes: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield all of a text, in lines, longer ones in parts; each with what was wrong with its bytes."""
    rest = b""
    while raw := rest + stream.readline(longest_bytes):
        rest = b""
        if not raw.endswith(b"\n") and len(raw) >= longest_bytes:
            whole = _without_torn_end(raw)
            raw, rest = whole, raw[len(whole) :]
        yield decode(raw)


def _lines(stream: IO[bytes], longest_bytes: int) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield the lines that are not blank: (number, text, what could not be read)."""
    number = 0
    while raw := stream.readline(longest_bytes):
        number += 1
        problems: tuple[str, ...] = ()
        if not raw.endswith(b"\n") and len(raw) == longest_bytes:
            raw, problems = _without_torn_end(raw), (CUT,)
            while (rest := stream.readline(longest_bytes)) and not rest.endswith(b"\n"):
                pass
        line, damage = decode(raw)
        line = line.removeprefix("\ufeff") if number == 1 else line
        if line.strip():
            yield number, line.rstrip("\r\n"), (*problems, *damage)


def _without_torn_end(raw: bytes) -> bytes:
    """Cut before a last character whose bytes continue after the end."""
    start = len(raw) - 1
    while start > len(raw) - 4 and raw[start] & 0xC0 == 0x80:
        start -= 1
    return raw[:start]
