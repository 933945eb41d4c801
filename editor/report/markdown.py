"""Markdown that shows text as it stands: tables, lists and code, whatever a report says."""

import html
import re
from collections.abc import Iterable, Sequence

from policies.errors import printable

MENTION = re.compile(r"(?<!\w)([@#])(?=\w)")
UNMENTIONED = r"\1&#8203;"
"""The sign and a mark of no width: whoever is called what follows is sent no message."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; cells are shown as they stand, but for those that begin in bold."""
    lines = [_line(header), _line(["---"] * len(header)), *(_line(map(_cell, row)) for row in rows)]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Escape text so that Markdown shows it as it stands, on one line, and mentions nobody.

    Forges look for @NAME and #NUMBER in what is shown.
    """
    escaped = re.sub(r"([\\`*_\[\]|])", r"\\\1", printable(" ".join(text.split())))
    return MENTION.sub(UNMENTIONED, html.escape(escaped, quote=False))


def bullets(lines: Iterable[str]) -> str:
    """Write a list of lines that are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def fenced(text: str) -> str:
    """Write a command for the shell, as it stands."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return text if text.startswith("**") else plain(text)
