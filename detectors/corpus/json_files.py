"""The reader of JSON files: a list, an object that holds lists, or values one after another."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import IO, Any, NamedTuple

from detectors.corpus.chats import LIST_KEYS, is_message
from detectors.corpus.documents import LONGEST_DOCUMENT_CHARACTERS, Document, Place, unread
from detectors.corpus.readers import NOT_JSON, decode
from detectors.corpus.records import folded_key
from detectors.corpus.rows import BeyondError, JsonParser, check_size
from detectors.corpus.sources import Source

LONG_VALUE = "skipped: a value of more than 64,000,000 characters"
CONTAINERS = frozenset(
    {"data", "rows", "records", "items", "examples", "documents", "instances", "entries", "results", "corpus"}
    | {"train", "test", "validation", "dataset", "samples"}
)
"""Keys whose list holds the documents, whatever stands beside it."""
_LONGEST_VALUE = 64 * LONGEST_DOCUMENT_CHARACTERS
_LONGEST_OBJECT = 4 * LONGEST_DOCUMENT_CHARACTERS
_BLOCK_BYTES = 1 << 18
_TORN_TOKEN = 12
_BLANK = re.compile(r"[ \t\r\n\ufeff]*")
# What may follow before a number or a word ends: it could go on in the next block.
_MAY_GO_ON = re.compile(r"[\w.+-]*\Z")


class _DamagedError(Exception):
    """What stands here is not JSON, or more of it than a document holds."""

    problem = NOT_JSON


class _BeyondError(_DamagedError):
    """A value holds more, or lies deeper, than any document."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem


class _LongError(Exception):
    """A value is longer than what is held in memory."""

    problem = LONG_VALUE


def read_json(source: Source) -> Iterator[Document]:
    """Yield the documents of a JSON file, of any size: one value of 64,000,000 characters is held at most.

    A list holds a document an item. So does each list in an object that holds lists alone, or one of `CONTAINERS`.
    Another object is a document itself. Several values may follow each other, as in JSON lines. What is damaged is
    passed over up to the next line that begins an object, and recorded.
    """
    with source.open() as stream:
        text = _Text(stream)
        parser = JsonParser()
        was_damaged = False
        for number, value in enumerate(_documents(text, parser), start=1):
            if not isinstance(value, _Damage):
                yield parser.document(value, text.place(number), text.take_problems())
            elif not was_damaged:
                yield unread(text.place(number), value.problem)
            was_damaged = isinstance(value, _Damage)


class _Damage(NamedTuple):
    problem: str


class _Text:
    """The text of a file, as much of it as is needed at a time."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._text = ""
        self._position = 0
        self._line = self._began = 1
        self._torn = b""
        self._problems: tuple[str, ...] = ()

    def place(self, number: int) -> Place:
        """Return the place of the value that was read last."""
        return Place("item", number, f" (line {self._began})", self._began)

    def take_problems(self) -> tuple[str, ...]:
        """Return what was guessed or passed over since the last call."""
        problems, self._problems = self._problems, ()
        return problems

    def peek(self) -> str:
        """Return the next character that is not white space; "" at the end."""
        while True:
            match = _BLANK.match(self._text, self._position)
            self._advance(match.end() if match else self._position)
            if self._position < len(self._text) or not self._more():
                return self._text[self._position : self._position + 1]

    def take(self, wanted: str) -> bool:
        """Pass over a character if it is the next one that is not white space."""
        if self.peek() != wanted:
            return False
        self._advance(self._position + 1)
        return True

    def value(self, parser: JsonParser, longest: int | None = None) -> Any:
        """Return the next value. A longer or damaged one is left where it is, and an error says which it is."""
        longest = _LONGEST_VALUE if longest is None else longest
        self.peek()
        self._began = self._line
        needed = 0
        while True:
            try:
                value, end = parser.parse_at(self._text, self._position)
                if end < len(self._text) or not _MAY_GO_ON.match(self._text[-1:]) or not self._more():
                    self._advance(end)
                    return value
            except BeyondError as error:
                raise _BeyondError(error.problem) from None
            except RecursionError:
                raise _DamagedError from None
            except json.JSONDecodeError as error:
                held = len(self._text) - self._position
                if held > longest:
                    raise _LongError from None
                is_open = (
                    error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _TORN_TOKEN
                )
                # Twice as much each time, so that a long value is not parsed again for each block.
                needed = max(2 * needed, held + 1)
                if not is_open or not self._fill(needed):
                    raise _DamagedError from None
                try:
                    check_size(self._text, self._position, len(self._text))
                except BeyondError as excess:
                    raise _BeyondError(excess.problem) from None
            except ValueError:  # a number of thousands of digits
                raise _DamagedError from None

    def pass_over(self) -> bool:
        """Pass over the rest of the line and what does not begin an object; return whether one follows."""
        while True:
            end = self._text.find("\n", self._position)
            self._advance(end + 1 if end >= 0 else len(self._text))
            if end < 0 and not self._more():
                return False
            if end >= 0 and self.peek() == "{":
                return True

    def _fill(self, needed: int) -> bool:
        """Read until so many characters are held; return whether there were any more."""
        grown = False
        while len(self._text) - self._position < needed and self._more():
            grown = True
        return grown

    def _advance(self, position: int) -> None:
        self._line += self._text.count("\n", self._position, position)
        self._position = position

    def _more(self) -> bool:
        block = self._stream.read(_BLOCK_BYTES)
        if not block and not self._torn:
            return False
        raw, self._torn = self._torn + block, b""
        if block:  # up to where a character ends for certain
            cut = max(raw.rfind(b"\n"), raw.rfind(b","), raw.rfind(b" ")) + 1
            raw, self._torn = raw[:cut], raw[cut:]
        text, problems = decode(raw)
        self._problems = tuple(dict.fromkeys((*self._problems, *problems)))
        self._text = self._text[self._position :] + text
        self._position = 0
        return True


def _documents(text: _Text, parser: JsonParser) -> Iterator[Any]:
    """Yield the documents, and damage in place of what is none."""
    while character := text.peek():
        try:
            if character == "[":
                yield from _items(text, parser)
            elif character == "{":
                yield from _of_object(text, parser)
            else:
                yield text.value(parser)
            text.take(",")
        except (_DamagedError, _LongError) as error:
            yield _Damage(error.problem)
            text.pass_over()


def _items(text: _Text, parser: JsonParser) -> Iterator[Any]:
    """Yield the items of the list that begins here."""
    text.take("[")
    while not text.take("]"):
        try:
            yield text.value(parser)
            if not text.take(",") and text.peek() != "]":
                raise _DamagedError
        except (_DamagedError, _LongError) as error:
            yield _Damage(error.problem)
            if not text.pass_over():
                return


def _of_object(text: _Text, parser: JsonParser) -> Iterator[Any]:
    try:
        value = text.value(parser, _LONGEST_OBJECT)
    except _LongError:
        yield from _of_long_object(text, parser)
        return
    lists = list(_lists_of_documents(value))
    for items in lists:
        yield from items
    if not lists:
        yield value


def _lists_of_documents(container: Mapping[str, Any]) -> Iterator[list[Any]]:
    for key, value in container.items():
        if _holds_documents(key, value, container):
            yield value
        elif isinstance(value, dict) and folded_key(key) in CONTAINERS:
            yield from _lists_of_documents(value)


def _holds_documents(key: str, items: Any, container: Mapping[str, Any]) -> bool:
    """Return whether an object's value is a list of documents, and not a part of a record."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return False
    folded = folded_key(key)
    if folded in LIST_KEYS or (items and all(map(is_message, items))):
        return False
    return folded in CONTAINERS or all(isinstance(value, list) for value in container.values())


def _of_long_object(text: _Text, parser: JsonParser) -> Iterator[Any]:
    """Yield the documents in an object that is too long to be held: list items, objects, and its other values."""
    text.take("{")
    record: dict[str, Any] = {}
    length = 0
    while not text.take("}"):
        key = text.value(parser)
        if not isinstance(key, str) or not text.take(":"):
            raise _DamagedError
        begins = text.peek()
        if begins == "[" and folded_key(key) not in LIST_KEYS:
            yield from _items(text, parser)
        elif begins == "{":
            yield from _of_object(text, parser)
        else:
            record[key] = text.value(parser)
            length += len(str(record[key]))
        if not text.take(",") and text.peek() != "}":
            raise _DamagedError
        if length > LONGEST_DOCUMENT_CHARACTERS:
            yield record
            record, length = {}, 0
    if any(map(_is_text, record.values())):
        yield record


def _is_text(value: Any) -> bool:
    return not isinstance(value, int | float | None)
