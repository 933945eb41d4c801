"""Readers of each kind of corpus file: one generator per kind, one document in memory at a time."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from detectors.corpus.documents import CUT, LONGEST_DOCUMENT_CHARACTERS, REPLACED, TOO_LONG, Document
from detectors.corpus.records import names_in, render_record
from policies.errors import CorpusError

_DELIMITERS = ",;\t|"
_BATCH_ROWS = 256
# Four bytes a character at most; a longer line is not held in memory. JSON and quoted cells cannot be cut.
_LONGEST_LINE_BYTES = 4 * LONGEST_DOCUMENT_CHARACTERS
_LONGEST_VALUE_BYTES = 16 * _LONGEST_LINE_BYTES
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")


class Place(NamedTuple):
    """The place of a document in its file, counted from 1."""

    kind: Literal["line", "row"]
    number: int


def read_lines(path: Path) -> Iterator[Document]:
    """Yield one document per line."""
    for number, line, problems in _lines(path, _LONGEST_LINE_BYTES):
        yield _document(Place("line", number), None, line, (), problems)


def read_json_lines(path: Path) -> Iterator[Document]:
    """Yield one document per line, each a JSON object.

    Raises:
        CorpusError: a line is not JSON or not a document; it is named by its number.
    """
    for number, line, problems in _lines(path, _LONGEST_VALUE_BYTES):
        if CUT in problems:
            yield _document(Place("line", number), None, "", (), (TOO_LONG,))
            continue
        try:
            record = json.loads(line, strict=False)  # a control character, such as null, harms nobody
        except (ValueError, RecursionError):
            raise CorpusError(
                f"Line {number} of {path} is not JSON", 'Write one {"id": ..., "text": ...} on each line'
            ) from None
        problem = _problem(record)
        if problem:
            raise CorpusError(
                f"Line {number} of {path}: {problem}",
                'Write {"id": text, "text": text, "subjects": [names]}; id and subjects may be left out',
            )
        yield _from_record(record, Place("line", number), record.get("subjects") or (), problems)


def read_csv(path: Path) -> Iterator[Document]:
    """Yield one document per row; the first line names the columns.

    Raises:
        CorpusError: a quoted cell does not end, or the file is UTF-16.
    """
    csv.field_size_limit(_LONGEST_VALUE_BYTES)
    with path.open("rb") as stream:
        _refuse_other_encodings(stream.peek(2)[:2], path)
        damaged: list[bool] = [False]
        lines = _decode_lines(stream, damaged)
        header_line = next(lines, "")
        delimiter = max(_DELIMITERS, key=header_line.count)
        header = [name.strip() for name in next(csv.reader([header_line], delimiter=delimiter), [])]
        rows = csv.reader(lines, delimiter=delimiter)
        number = 0
        try:
            for number, row in enumerate(rows, start=1):
                if any(cell.strip() for cell in row):
                    names = [*header, *(f"column {i}" for i in range(len(header) + 1, len(row) + 1))]
                    problems = (REPLACED,) if damaged[0] else ()
                    yield _from_row(dict(zip(names, row, strict=False)), Place("row", number), problems)
                damaged[0] = False
        except csv.Error:
            raise CorpusError(
                f"Row {number + 1} of {path} is not CSV: a quoted cell does not end", "Correct its quotes"
            ) from None


def read_parquet(path: Path) -> Iterator[Document]:
    """Yield one document per row, read in batches.

    Raises:
        CorpusError: pyarrow is not installed, or the file is not Parquet.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise CorpusError(
            f"{path} is a Parquet file, and pyarrow is not installed",
            "Install it with `pip install 'expunge[parquet]'`, or convert the file to JSON lines",
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                names = batch.schema.names
                for values in zip(*map(_values, batch.columns), strict=True):
                    number += 1
                    row = {name: _text(value) for name, value in zip(names, values, strict=True)}
                    if any(value not in (None, "") for value in row.values()):
                        damaged = any(_is_damaged(value) for value in values)
                        yield _from_row(row, Place("row", number), (REPLACED,) if damaged else ())
    except (pyarrow.ArrowException, UnicodeDecodeError):
        raise CorpusError(f"{path} is not a readable Parquet file", "Write it again") from None


def _values(column: Any) -> list[Any]:
    """Return the values of a Parquet column; text as bytes, as nobody has checked that it is UTF-8."""
    from pyarrow import large_binary, types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(large_binary())
    return list(column.to_pylist())


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is_damaged(value: Any) -> bool:
    try:
        return isinstance(value, bytes) and value.decode("utf-8") is None
    except UnicodeDecodeError:
        return True


def _from_row(row: Mapping[str, Any], place: Place, problems: Iterable[str]) -> Document:
    """Make a document of a row of a table, whose columns are known by their names whatever the case."""
    known = {name.lower(): name for name in row if name.lower() in ("id", "text", "subjects")}
    record = {name.lower() if name.lower() in known else name: value for name, value in row.items()}
    named = record.get("subjects") or ()
    subjects = named.split(";") if isinstance(named, str) else [name for name in named if name]
    if record.get("id") in (None, ""):
        record.pop("id", None)
    if "text" in record and not isinstance(record["text"], str | Mapping | list):
        record["text"] = "" if record["text"] is None else str(record["text"])
    return _from_record(record, place, subjects, problems)


def _from_record(
    record: Mapping[str, Any], place: Place, subjects: Iterable[str], problems: Iterable[str]
) -> Document:
    fields = {key: value for key, value in record.items() if key not in ("id", "subjects")}
    content = record.get("text", fields)
    names: tuple[str, ...] = ()
    if not isinstance(content, str):
        names = names_in(content)
        content = render_record(content if isinstance(content, Mapping) else {"text": content})
    return _document(place, record.get("id"), content, (*subjects, *names), problems)


def _document(
    place: Place, identifier: Any, text: str, subjects: Iterable[str], problems: Iterable[str]
) -> Document:
    problems = tuple(problems)
    if len(text) > LONGEST_DOCUMENT_CHARACTERS:
        text, problems = text[:LONGEST_DOCUMENT_CHARACTERS], (*problems, CUT)
    names = (" ".join(name.split()) for name in subjects)
    return Document(
        id=f"{place.kind}-{place.number}" if identifier is None else str(identifier),
        text=text,
        subjects=tuple(dict.fromkeys(name for name in names if name)),
        problems=tuple(dict.fromkeys(problems)),
        place=f"{place.kind} {place.number}",
    )


def _lines(path: Path, longest_bytes: int) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield the lines that are not blank: (number, text, what could not be read)."""
    number = 0
    # Not text mode: it would also split lines at a lone carriage return, and shift the numbers.
    with path.open("rb") as stream:
        _refuse_other_encodings(stream.peek(2)[:2], path)
        while raw := stream.readline(longest_bytes):
            number += 1
            problems: tuple[str, ...] = ()
            if not raw.endswith(b"\n") and len(raw) == longest_bytes:
                raw, problems = _without_torn_end(raw), (CUT,)
                while (rest := stream.readline(longest_bytes)) and not rest.endswith(b"\n"):
                    pass
            encoding = "utf-8-sig" if number == 1 else "utf-8"
            try:
                line = raw.decode(encoding)
            except UnicodeDecodeError:
                line, problems = raw.decode(encoding, "replace"), (*problems, REPLACED)
            if line.strip():
                yield number, line.rstrip("\r\n"), problems


def _without_torn_end(raw: bytes) -> bytes:
    """Cut before a last character whose bytes continue after the end."""
    start = len(raw) - 1
    while start > len(raw) - 4 and raw[start] & 0xC0 == 0x80:
        start -= 1
    return raw[:start]


def _decode_lines(stream: Iterable[bytes], damaged: list[bool]) -> Iterator[str]:
    """Yield lines as text; set `damaged[0]` where bytes were replaced."""
    for number, raw in enumerate(stream):
        try:
            yield raw.decode("utf-8-sig" if number == 0 else "utf-8")
        except UnicodeDecodeError:
            damaged[0] = True
            yield raw.decode("utf-8", "replace")


def _refuse_other_encodings(beginning: bytes, path: Path) -> None:
    if beginning in _OTHER_ENCODINGS:
        raise CorpusError(f"{path} is UTF-16, not UTF-8", "Save the file as UTF-8")


def _problem(record: Any) -> str | None:
    """Return what keeps a JSON value from being a document, or None."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    if "text" not in record and not set(record) - {"id", "subjects"}:
        return "it has no key `text` holding text"
    if "text" in record and not isinstance(record["text"], str | dict | list):
        return "`text` does not hold text"
    subjects = record.get("subjects") or []
    if not isinstance(subjects, list) or not all(isinstance(name, str) for name in subjects):
        return "`subjects` is not a list of names"
    if not isinstance(record.get("id", ""), str | int):
        return "`id` is neither text nor a whole number"
    return _character_problem(record)


def _character_problem(record: Any) -> str | None:
    if _half_character(record):
        return "it holds half of a surrogate pair, which is not a character"
    return None


def _half_character(value: Any) -> bool:
    """Return whether any text in a JSON value cannot be written as UTF-8."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_half_character(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_half_character, value))
