"""Readers of tables: CSV, Parquet and Arrow, a document a row."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import IO, Any

from detectors.corpus.documents import LONGEST_DOCUMENT_CHARACTERS, REPLACED, Document, Place
from detectors.corpus.readers import decode
from detectors.corpus.rows import from_row
from detectors.corpus.sources import Source
from policies.errors import CorpusError

OPEN_QUOTE = "a quote that does not end: the line was read as it is"
_DELIMITERS = ",;\t|"
_LONGEST_CELL = 1 << 26
_BATCH_ROWS = 256
_LEAST_SUSPECT = 1 << 26
"""Bytes of a column, and rows, up to which nothing is made of how small the file is."""
_MOST_UNPACKED = 200
_TEXTS = ("STRING", "NONE", "JSON", "ENUM")
"""Logical types of Parquet that are text or bytes."""
_LEAST_COLUMNS = 3
_LEAST_ROWS = 2


def read_csv(source: Source) -> Iterator[Document]:
    """Yield one document per row; the first line names the columns.

    A quote that is not closed takes no other rows with it: its line is read as it is, and recorded.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with source.open() as stream:
        lines = _Lines(stream)
        delimiter = max(_DELIMITERS, key=lines.peek_first().count)
        names, _, header_problems = next(_rows(lines, delimiter, 0), ([], 0, ()))
        header = [name.strip() for name in names]
        for number, (row, line, found) in enumerate(_rows(lines, delimiter, len(header)), start=1):
            problems = (*header_problems, *found)
            header_problems = ()
            if any(cell.strip() for cell in row):
                names = [*header, *(f"column {i}" for i in range(len(header) + 1, len(row) + 1))]
                also = f" (line {line})" if OPEN_QUOTE in found else ""
                yield from_row(names, row, Place("row", number, also, line), problems)


class _Lines:
    """The lines of a CSV file: those taken for one row can be put back.

    Attributes:
        taken: lines taken for the row at hand, each with what was wrong with its bytes.
        number: number of the first of them, counted from 1.
        limit: most characters that one row may take.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        self.number = 1
        self._stream = stream
        self._waiting: deque[tuple[str, tuple[str, ...]]] = deque()
        self._characters = 0

    def peek_first(self) -> str:
        """Return the first line, without a byte order mark, which is taken again."""
        first = next(self, "").removeprefix("\ufeff")
        self.taken = [(first, problems) for _, problems in self.taken]
        self.done(0)
        return first

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._characters > LONGEST_DOCUMENT_CHARACTERS and self.taken:
            raise StopIteration
        if self._waiting:
            line, problems = self._waiting.popleft()
        else:
            raw = self._stream.readline(_LONGEST_CELL)
            if not raw:
                raise StopIteration
            line, problems = decode(raw)
        self.taken.append((line, problems))
        self._characters += len(line)
        return line

    def done(self, lines: int | None = None) -> None:
        """Drop the row's lines, or the first of them alone: the others are taken again."""
        count = len(self.taken) if lines is None else lines
        self._waiting.extendleft(reversed(self.taken[count:]))
        self.number += count
        self.taken, self._characters = [], 0


def _rows(lines: _Lines, delimiter: str, columns: int) -> Iterator[tuple[list[str], int, tuple[str, ...]]]:
    """Yield rows, each with the number of its first line and what was wrong with it."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        problems: tuple[str, ...] = ()
        count = None
        try:
            row = next(reader, None)
            is_stray = row is not None and len(lines.taken) > 1 and _is_stray(lines, row, delimiter, columns)
        except csv.Error:
            row, is_stray = [], True
        if row is None:
            return
        if is_stray:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            row, count = _as_it_is(lines.taken[0][0], delimiter), 1
            problems = (OPEN_QUOTE,)
        number = lines.number
        damage = (problem for _, found in lines.taken[:count] for problem in found)
        problems = (*problems, *dict.fromkeys(damage))
        lines.done(count)
        yield row, number, problems


def _is_stray(lines: _Lines, row: Sequence[str], delimiter: str, columns: int) -> bool:
    """Return whether a row of several lines is several rows, whose quotes belong to different ones."""
    first, *inner, _ = (line for line, _ in lines.taken)
    if len(row) != columns and len(_as_it_is(first, delimiter)) == columns:
        return True
    rows = [line for line in inner if '"' not in line and len(_as_it_is(line, delimiter)) == columns]
    return columns >= _LEAST_COLUMNS and len(rows) == len(inner) >= _LEAST_ROWS


def _as_it_is(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, without a quote that opens or closes one."""
    cells = line.rstrip("\r\n").split(delimiter)
    return [cell.strip().strip('"') for cell in cells]


def read_parquet(source: Source) -> Iterator[Document]:
    """Yield one document per row, read in batches.

    Raises:
        CorpusError: pyarrow is not installed, or the file is not Parquet.
    """
    with _pyarrow(source, "Parquet"):
        from pyarrow import parquet

        metadata = parquet.read_metadata(source.path)
        _check_parquet(metadata, source)
        # Repeated values stay one: 256 rows of one long text would be 256 copies of it.
        with parquet.ParquetFile(source.path, read_dictionary=_repeated(metadata)) as file:
            yield from _of_batches(file.iter_batches(batch_size=_BATCH_ROWS))


def read_arrow(source: Source) -> Iterator[Document]:
    """Yield one document per row of an Arrow file, or of a stream as the package `datasets` writes it.

    Raises:
        CorpusError: pyarrow is not installed, or the file is not Arrow.
    """
    with _pyarrow(source, "Arrow"):
        import pyarrow

        with pyarrow.memory_map(str(source.path)) as mapped:
            try:
                file = pyarrow.ipc.open_file(mapped)
                batches = (file.get_batch(number) for number in range(file.num_record_batches))
            except pyarrow.ArrowInvalid:
                mapped.seek(0)
                batches = pyarrow.ipc.open_stream(mapped)
            yield from _of_batches(
                batch.slice(start, _BATCH_ROWS)
                for batch in batches
                for start in range(0, len(batch), _BATCH_ROWS)
            )


@contextmanager
def _pyarrow(source: Source, kind: str) -> Iterator[None]:
    try:
        import_module("pyarrow")
    except ImportError:
        raise CorpusError(
            f"{source.path} is a file of {kind}, and pyarrow is not installed",
            "Install it with `pip install 'expunge[parquet]'`, or convert the file to JSON lines",
        ) from None
    try:
        yield
    except (CorpusError, OSError):
        raise
    except Exception:  # a damaged file brings about whatever its bytes are taken for
        raise CorpusError(f"{source.path} is not a readable {kind} file", "Write it again") from None


def _check_parquet(metadata: Any, source: Source) -> None:
    """Refuse a file that unpacks to many times what it holds, as no text does.

    Raises:
        CorpusError: it does.
    """
    size = source.path.stat().st_size
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(metadata.num_columns)]
    largest = max((column.total_uncompressed_size for column in columns), default=0)
    if largest > max(_LEAST_SUSPECT, _MOST_UNPACKED * size) or metadata.num_rows > _LEAST_SUSPECT + size:
        raise CorpusError(
            f"{source.path} holds {size:,} bytes, which would unpack to {metadata.num_rows:,} rows, and to "
            f"{largest:,} bytes in one column",
            "Write it again, with no more rows than it has texts",
        )


def _repeated(metadata: Any) -> list[str]:
    """Return the columns of text in which each value is stored once, whatever the number of its rows."""
    found: dict[str, None] = {}
    for number in range(metadata.num_columns):
        described = metadata.schema.column(number)
        if described.physical_type != "BYTE_ARRAY" or described.logical_type.type not in _TEXTS:
            continue
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            if any("DICTIONARY" in name for name in group.column(number).encodings):
                found[described.path] = None
    return list(found)


def _check_offsets(column: Any) -> None:
    """Raise what Arrow raises of damaged offsets and lengths: it trusts them, and they end the process.

    Bytes that are no text are no such damage: they are read as far as they can be.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = pa.DictionaryArray.from_arrays(column.indices, _as_bytes(column.dictionary), safe=False)
    _as_bytes(column).validate(full=True)


def _as_bytes(column: Any) -> Any:
    """Return a column of text as one of bytes; another one as it is."""
    import pyarrow as pa

    if pa.types.is_string(column.type):
        return column.view(pa.binary())
    return column.view(pa.large_binary()) if pa.types.is_large_string(column.type) else column


def _of_batches(batches: Iterable[Any]) -> Iterator[Document]:
    number = 0
    for batch in batches:
        for column in batch.columns:
            _check_offsets(column)
        names = batch.schema.names
        for values in zip(*map(_values, batch.columns), strict=True):
            number += 1
            row = [_text(value) for value in values]
            if any(value not in (None, "") for value in row) or None in _texts(names, row):
                damaged = any(_is_damaged(value) for value in values)
                yield from_row(names, row, Place("row", number), (REPLACED,) if damaged else ())


def _texts(names: Iterable[str], row: Iterable[Any]) -> list[Any]:
    return [value for name, value in zip(names, row, strict=True) if name.lower() == "text"]


def _values(column: Any) -> list[Any]:
    """Return the values of a column; text as bytes, as nobody has checked that it is UTF-8."""
    from pyarrow import ArrowException, array, int64, large_binary, types

    if types.is_dictionary(column.type):
        places = column.indices.to_pylist()
        used = sorted(set(places) - {None})
        values = dict(zip(used, _values(column.dictionary.take(array(used, int64()))), strict=True))
        return [values.get(place) for place in places]
    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.cast(large_binary())
    try:
        return list(column.to_pylist())
    except (ArrowException, ValueError, OverflowError):  # times that Python has no date for
        return list(column.cast("string").to_pylist())


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _is_damaged(value: Any) -> bool:
    try:
        return isinstance(value, bytes) and value.decode("utf-8") is None
    except UnicodeDecodeError:
        return True
