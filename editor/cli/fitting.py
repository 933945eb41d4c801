"""Tables of the terminal that fit its width, with every word in them."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text


def fitted(table: Table, width: int) -> Table:
    """Set the columns' widths so that a table is at most `width` characters wide, and return it.

    The widest columns are narrowed first. Cells are broken between words, and inside a word only where that is not
    enough. Nothing is cut off.
    """
    least, most = zip(*map(_sizes, table.columns), strict=True)
    widths = _narrowed(
        _narrowed(most, least, width - _beside(table)), (1,) * len(most), width - _beside(table)
    )
    for column, chosen in zip(table.columns, widths, strict=True):
        column.width, column.no_wrap, column.overflow = chosen, False, "fold"
    return table


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Take from the widest columns, none of which falls below its least, until all fit or none is left."""
    narrowed = list(widths)
    while sum(narrowed) > room:
        wide = [place for place, width in enumerate(narrowed) if width > least[place]]
        if not wide:
            break
        narrowed[max(wide, key=lambda place: narrowed[place])] -= 1
    return narrowed


def _sizes(column: Column) -> tuple[int, int]:
    """Return the lengths of a column's longest word and of its longest line."""
    lines = [line for cell in (column.header, *column.cells) for line in _plain(cell).splitlines()]
    words = [word for line in lines for word in line.split()]
    return max(map(cell_len, words), default=1), max(map(cell_len, lines), default=1)


def _plain(cell: RenderableType) -> str:
    return cell.plain if isinstance(cell, Text) else Text.from_markup(str(cell)).plain


def _beside(table: Table) -> int:
    """Return the characters of a line that are no cell's: borders and padding."""
    count, (_, right, _, left) = len(table.columns), table.padding
    borders = (count - 1 + 2 * table.show_edge) if table.box else 0
    return borders + (count if table.pad_edge else count - 1) * (left + right)
