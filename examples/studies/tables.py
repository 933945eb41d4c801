"""Tables as files: CSV for programs, Markdown for people. The same rows give the same bytes."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DIGITS = 5
"""Significant digits of numbers in a table."""


class Table(NamedTuple):
    """A table of text and numbers.

    Attributes:
        name: name of its file, without an ending.
        columns: names of the columns.
        rows: cells of each row, in the order of the columns.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str | int | float, ...]]


def write_table(table: Table, folder: Path) -> None:
    """Write NAME.csv, numbers to five significant digits."""
    with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows([_cell(value) for value in row] for row in table.rows)


def read_table(path: Path) -> Table:
    """Read a table that `write_table` wrote; every cell is text."""
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    return Table(path.stem, tuple(columns), [tuple(row) for row in rows])


def markdown(table: Table) -> str:
    """Return the table as Markdown, numbers as in its CSV."""
    lines = [table.columns, ["---"] * len(table.columns), *([_cell(v) for v in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_written(value: float) -> float:
    """Return the number that reads back from a table: what is computed from it can be computed again from the file."""
    return float(_cell(float(value)))


def _cell(value: str | int | float) -> str:
    """Return a cell's text: floats to five significant digits, whole numbers and text as they are."""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
