"""Tables as files: CSV for programs, Markdown for people. The same rows give the same bytes."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DIGITS = 5


class Table(NamedTuple):
    """A table.

    Attributes:
        name: of its file.
        columns: their names.
        rows: of text and numbers.
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
    """The table as Markdown, numbers as in its CSV."""
    lines = [table.columns, ["---"] * len(table.columns), *([_cell(v) for v in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_written(value: float) -> float:
    """The number that reads back from a table: what is computed from it can be computed again from the file."""
    return float(_cell(float(value)))


def _cell(value: str | int | float) -> str:
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)
