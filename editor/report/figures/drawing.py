"""A figure that can stand on the page and in a file of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from matplotlib.figure import Figure

from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, WIDE, Chart, Colour, Layout
from editor.report.figures.style import INK, MUTED, RULE, SERIES

ON_WHITE: dict[Colour, str] = {
    "ink": INK,
    "muted": MUTED,
    "rule": RULE,
    "after": SERIES[0][0],
    "before": SERIES[1][0],
    "decoy": SERIES[2][0],
    "paper": "#ffffff",
    "limit": INK,
}
"""Colours that stand for the page's where there is no page."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Drawing of which it is not known yet where it will stand.

    Attributes:
        name: name of the figure on the page and of its file.
        title: what it shows.
        caption: what to see and how to read it.
        draw: function that draws it for a layout, in colours of `canvas.COLOURS`.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Layout], Figure]

    def chart(self) -> Chart:
        """Draw it for the page, in both layouts."""
        return canvas.chart(self.name, self.title, self.caption, self.draw)

    def figure(self) -> Figure:
        """Draw it for a file: as on a wide page, in the page's light colours."""
        with _on_white():
            return self.draw(WIDE)


@contextmanager
def _on_white() -> Iterator[None]:
    """Make colours themselves inside the `with` block, instead of keys for the page's."""
    keys = dict(COLOURS)
    COLOURS.update(ON_WHITE)
    try:
        yield
    finally:
        COLOURS.update(keys)
