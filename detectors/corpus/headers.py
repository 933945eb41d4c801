"""Tables within a text, and the header of each cell's column: CSV, Markdown, HTML, lines parted by `;`, tab or `|`."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_DELIMITERS = "|\t;,"
_HEADER = re.compile(r"[\s\"'*_`]*+[^\W\d][\w .:#/()'’-]{0,39}[\s\"'*_`]*")
_HEADER_WORDS = 4
_LEAST_COMMAS = 2
_RULE = re.compile(r"[\s|:+=-]*-[\s|:+=-]*")
_QUOTED = {
    sign: re.compile(rf'\s*"(?:[^"]|"")*"[^{re.escape(sign)}]*|[^{re.escape(sign)}]*') for sign in _DELIMITERS
}
_TAG = re.compile(r"<(/?)(table|tr|t[hd])\b[^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]*>")


class Cell(NamedTuple):
    """A cell of a table, below the header.

    Attributes:
        start: position of the cell's first character, 0-based, in the text.
        end: one past the position of its last character.
        header: header of the cell's column.
        row: where the cell's row begins, and one past the position where it ends.
    """

    start: int
    end: int
    header: str
    row: tuple[int, int]


class Tables:
    """The tables of a text; none in prose."""

    def __init__(self, text: str) -> None:
        self._cells = sorted(_cells(text)) if "\n" in text or "<t" in text or "<T" in text else []
        self._starts = [cell.start for cell in self._cells]

    def at(self, position: int) -> Cell | None:
        """Return the cell that holds the character at a position, or None."""
        index = bisect_right(self._starts, position) - 1
        return self._cells[index] if index >= 0 and position < self._cells[index].end else None

    def parted(self, text: str) -> str:
        """Return the text, or one of the same length, with a line break for each sign between two cells."""
        if not self._cells:
            return text
        pieces: list[str] = []
        position = 0
        for cell in self._cells:
            if cell.start > cell.row[0] and text[cell.start - 1] in _DELIMITERS:
                pieces += text[position : cell.start - 1], "\n"
                position = cell.start
        return "".join([*pieces, text[position:]])


_Range = tuple[int, int]


def _cells(text: str) -> Iterator[Cell]:
    if _TAG.search(text):
        for rows in _html_tables(text):
            yield from _below_header(text, rows)
    elif any(sign in text for sign in _DELIMITERS):
        for rows in _delimited_tables(text):
            yield from _below_header(text, rows)


def _below_header(text: str, rows: Sequence[Sequence[_Range]]) -> Iterator[Cell]:
    header, *others = rows
    names = [" ".join(_MARKUP.sub(" ", text[start:end]).split()) for start, end in header]
    for row in others:
        for (start, end), name in zip(row, names, strict=False):
            if end > start:
                yield Cell(start, end, name, (row[0][0], row[-1][1]))


def _delimited_tables(text: str) -> Iterator[list[list[_Range]]]:
    """Yield runs of lines with equally many cells, of which the first can be a header."""
    table: list[list[_Range]] = []
    sign = ""
    before: _Range | None = None
    for line in _lines(text):
        if table and _RULE.fullmatch(text, *line):
            continue
        cells = _split(text, line, sign) if table else []
        if table and len(cells) == len(table[0]):
            table.append(cells)
            continue
        if table:
            yield table
            table, before = [], None
        if before is not None:
            sign = _common_sign(text, before, line)
            if sign:
                table = [_split(text, before, sign)]
                table += [] if _RULE.fullmatch(text, *line) else [_split(text, line, sign)]
        before = line if line[0] < line[1] else None
    if table:
        yield table


def _lines(text: str) -> Iterator[_Range]:
    """Yield where each line begins and ends, white space left out."""
    position = 0
    for line in text.split("\n"):
        start = position + len(line) - len(line.lstrip(" \r"))
        yield start, max(start, position + len(line.rstrip(" \r")))
        position += len(line) + 1


def _common_sign(text: str, header: _Range, line: _Range) -> str:
    """Return the sign that parts a header and the line after it into equally many cells; none where it is no header."""
    first, second = text[slice(*header)], text[slice(*line)]
    for sign in _DELIMITERS:
        if sign not in first or sign not in second:
            continue
        cells = _split(text, header, sign)
        if (
            len(cells) > 1
            and (len(cells) == len(_split(text, line, sign)) or _RULE.fullmatch(second))
            and all(_is_header(text[start:end], sign) for start, end in cells)
            and (sign != "," or first.count(sign) >= _LEAST_COMMAS or ", " not in first)
        ):
            return sign
    return ""


def _is_header(cell: str, sign: str) -> bool:
    most = _HEADER_WORDS - (sign == ",")
    return len(cell.split()) <= most and _HEADER.fullmatch(cell) is not None


def _split(text: str, line: _Range, sign: str) -> list[_Range]:
    """Return where the cells of a line begin and end; a sign within quotes parts nothing."""
    start, end = line
    if sign == "|":
        start += text[start:end].startswith(sign)
        end -= text[start:end].endswith(sign)
    cells: list[_Range] = []
    if '"' not in text[start:end]:
        for piece in text[start:end].split(sign):
            cells.append((start, start + len(piece)))
            start += len(piece) + 1
        return cells
    while start <= end:
        match = _QUOTED[sign].match(text, start, end)
        stop = match.end() if match else end
        cells.append((start, stop))
        start = stop + 1
    return cells


def _html_tables(text: str) -> Iterator[list[list[_Range]]]:
    """Yield the rows of the tables of HTML text; an inner table ends the outer one's row."""
    rows: list[list[_Range]] = []
    opened: int | None = None
    for match in _TAG.finditer(text):
        closing, tag = match[1], match[2].lower()
        if opened is not None and rows:
            rows[-1].append((opened, match.start()))
            opened = None
        if tag == "table":
            if full := [row for row in rows if row]:
                yield full
            rows = []
        elif not closing and tag == "tr":
            rows.append([])
        elif not closing:
            opened = match.end()
            rows = rows or [[]]
    if full := [row for row in rows if row]:
        yield full
