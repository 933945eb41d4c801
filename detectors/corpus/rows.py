"""Documents from records: what a line of JSON or a row of a table holds."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from detectors.corpus.chats import Turn, find_turns, is_message, render_chat
from detectors.corpus.documents import Document, Place, make_document, unread
from detectors.corpus.records import names_in, render_record

DOUBLED = "two values under one name: both were read"
NO_TEXT = "skipped: `text` does not hold text"
MOST_DEPTH = 100
MOST_HELD = 200_000
"""Objects and lists in one record: an empty one takes sixty bytes and two characters."""
MOST_VALUES = 1_000_000
"""Texts in one record, its keys among them."""
TOO_DEEP = f"skipped: a value that is nested more than {MOST_DEPTH} deep"
TOO_MANY = f"skipped: a record of more than {MOST_HELD:,} objects and lists, or of {MOST_VALUES:,} texts"
_KNOWN = ("id", "text", "subjects")


class BeyondError(ValueError):
    """A value holds more, or lies deeper, than any document.

    Args:
        problem: what it is, in the words of a report.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def check_size(text: str, start: int, end: int) -> None:
    """Refuse JSON of so many values that they take many times the memory of their text, before any is made.

    Raises:
        BeyondError: there are too many.
    """
    if end - start > MOST_VALUES:  # a value takes a character at the least
        held = text.count("{", start, end) + text.count("[", start, end)
        if held > MOST_HELD or text.count('"', start, end) > 2 * MOST_VALUES:
            raise BeyondError(TOO_MANY)


def check_depth(value: Any, text: str, start: int, end: int) -> None:
    """Refuse a value of JSON that is nested deeper than documents are: what reads it goes into itself for each level.

    Raises:
        BeyondError: it is.
    """
    if text.count("{", start, end) + text.count("[", start, end) <= MOST_DEPTH:
        return
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        held = [one for one in level if isinstance(one, dict | list)]
        if not held:
            return
        level = [inner for one in held for inner in (one.values() if isinstance(one, dict) else one)]
    raise BeyondError(TOO_DEEP)


def gather(pairs: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Return pairs as a dictionary, and whether a key stands twice: then it holds the list of its values."""
    record: dict[str, Any] = {}
    doubled: set[str] = set()
    for key, value in pairs:
        if key not in record:
            record[key] = value
        elif key in doubled:
            record[key].append(value)
        else:
            doubled.add(key)
            record[key] = [record[key], value]
    return record, bool(doubled)


def from_row(names: Iterable[str], values: Iterable[Any], place: Place, problems: Iterable[str]) -> Document:
    """Make a document of a row of a table, whose columns are known by their names whatever the case."""
    folded = (name.lower() if name.lower() in _KNOWN else name for name in names)
    record, doubled = gather(zip(folded, values, strict=False))
    identifier = record.pop("id", None)
    identifier = identifier[0] if isinstance(identifier, list) else identifier
    if identifier not in (None, ""):
        record["id"] = identifier
    named = record.get("subjects") or ()
    listed = named if isinstance(named, list | tuple) else [named]
    subjects = [part for name in listed for part in ("" if name is None else str(name)).split(";")]
    if "text" in record and not isinstance(record["text"], str | Mapping | list):
        problems = (*problems, NO_TEXT) if record["text"] is None else problems
        record["text"] = "" if record["text"] is None else str(record["text"])
    return _from_record(record, place, subjects, _with(problems, doubled))


class JsonParser:
    """A parser of JSON that loses no value to another of the same key.

    Attributes:
        doubled: whether a key stood twice in what was parsed last.
    """

    def __init__(self) -> None:
        self.doubled = False
        # Not strict: a control character, such as null, harms nobody.
        self._decoder = json.JSONDecoder(object_pairs_hook=self._object, strict=False)

    def parse(self, text: str) -> Any:
        """Return the value that a text is.

        Raises:
            BeyondError: it holds more values, or lies deeper, than any document.
            ValueError: it is none.
            RecursionError: it is none, or too deep.
        """
        check_size(text, 0, len(text))
        self.doubled = False
        value = self._decoder.decode(text)
        check_depth(value, text, 0, len(text))
        return value

    def parse_at(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value that begins at a position, and where it ends. Raises as `parse` does, but for its size."""
        self.doubled = False
        value, end = self._decoder.raw_decode(text, start)
        check_depth(value, text, start, end)
        return value, end

    def document(self, value: Any, place: Place, problems: Iterable[str] = ()) -> Document:
        """Make a document of the value parsed last, or of a part of it; without text, and with the reason, of what
        is no document.
        """
        if isinstance(value, list) and value and all(map(is_message, value)):
            value = {"messages": value}
        problem = _problem(value)
        if problem:
            return unread(place, f"skipped: {problem}")
        return _from_record(value, place, value.get("subjects") or (), _with(problems, self.doubled))

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            self.doubled = True
            record, _ = gather(pairs)
        return record


def _with(problems: Iterable[str], doubled: bool) -> tuple[str, ...]:
    return (*problems, DOUBLED) if doubled else tuple(problems)


def _from_record(
    record: Mapping[str, Any], place: Place, subjects: Iterable[str], problems: Iterable[str]
) -> Document:
    fields = {key: value for key, value in record.items() if key not in ("id", "subjects")}
    content = record.get("text", fields)
    names: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    if isinstance(content, str):
        turns = find_turns(record, content) if len(fields) > 1 else ()
    else:
        names = names_in(content)
        content, turns = _rendered(content)
    return make_document(
        place,
        content,
        identifier=record.get("id"),
        subjects=(*subjects, *names),
        problems=problems,
        turns=turns,
    )


def _rendered(content: Any) -> tuple[str, tuple[Turn, ...]]:
    if not isinstance(content, Mapping):
        content = {"messages" if content and all(map(is_message, content)) else "text": content}
    return render_chat(content) or (render_record(content), ())


def _problem(record: Any) -> str | None:
    """Return what keeps a JSON value from being a document, or None."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    subjects = record.get("subjects") or []
    found = {
        "it has no key `text` holding text": "text" not in record and not set(record) - {"id", "subjects"},
        "`text` does not hold text": not isinstance(record.get("text", ""), str | dict | list),
        "`subjects` is not a list of names": not (
            isinstance(subjects, list) and all(isinstance(name, str) for name in subjects)
        ),
        "`id` is neither text nor a whole number": not isinstance(record.get("id", ""), str | int),
        "it holds half of a surrogate pair, which is not a character": _half_character(record),
    }
    return next((problem for problem, is_found in found.items() if is_found), None)


def _half_character(value: Any) -> bool:
    """Return whether any text in a JSON value cannot be written as UTF-8."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_half_character(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_half_character, value))
