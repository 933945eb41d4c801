"""Tables that grow while the study runs, written as CSV; the same rows give the same bytes."""

from collections.abc import Sequence

from examples.studies.tables import Table, markdown, write_table

Row = tuple[str | int | float, ...]


def append_rows(table: Table, rows: Sequence[Row]) -> None:
    """Add rows at the table's end."""
    assert isinstance(table.rows, list)
    table.rows.extend(rows)


__all__ = ["Row", "Table", "append_rows", "markdown", "write_table"]
