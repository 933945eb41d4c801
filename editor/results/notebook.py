"""What a notebook shows of a result: its sentence and its table, as HTML without styles of its own."""

from collections.abc import Iterable, Sequence
from html import escape


def show_table(verdict: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a sentence and a table; every text is escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<p>{escape(verdict)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
