"""Tables that grow while the study runs, written as CSV; the same rows give the same bytes."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from examples.studies.tables import Table, markdown, write_table

Row = tuple[str | int | float, ...]


def append_rows(table: Table, rows: Sequence[Row]) -> None:
    """Add rows at the table's end.

    Args:
        table: table whose rows are a list.
        rows: rows to add.
    """
    assert isinstance(table.rows, list)
    table.rows.extend(rows)


def over_seeds(table: Table, by: Sequence[str], measures: Sequence[str]) -> Table:
    """Return mean, least and most of measures over the rows that have the same values of `by`.

    Args:
        table: rows of all seeds.
        by: columns that tell groups apart.
        measures: columns of numbers.
    """
    # Column name -> its place in a row.
    place = {name: index for index, name in enumerate(table.columns)}
    groups: dict[Row, list[Row]] = defaultdict(list)
    for row in table.rows:
        groups[tuple(row[place[name]] for name in by)].append(row)
    rows = []
    for key, found in groups.items():
        values = [[float(row[place[name]]) for row in found] for name in measures]
        rows.append((*key, len(found), *(end(one) for one in values for end in (fmean, min, max))))
    columns = [f"{name}{end}" for name in measures for end in ("", " least", " most")]
    return Table(f"{table.name}-over-seeds", (*by, "seeds", *columns), rows)


__all__ = ["Row", "Table", "append_rows", "markdown", "over_seeds", "write_table"]
