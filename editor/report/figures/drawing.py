"""Figures that can stand on a page and in files of their own, SVG and PNG in the page's light colours."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, SETTINGS, WIDE, Chart, Colour, Layout, on_white

WIDTH = 7.2
"""Width of a file's figure in inches, where it is drawn for files alone."""
PIXELS_PER_INCH = 160
SERIES: tuple[tuple[Colour, str], ...] = (
    ("after", "o"),
    ("before", "s"),
    ("decoy", "^"),
    ("ink", "D"),
    ("after", "v"),
    ("before", "P"),
)
"""Colour and marker of each series: the marker tells them apart without colour."""


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
        with on_white():
            return self.draw(WIDE)


def series(index: int) -> tuple[str, str]:
    """Return colour and marker of a series by its number; they come round again."""
    colour, marker = SERIES[index % len(SERIES)]
    return COLOURS[colour], marker


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes with horizontal rules at a place given in shares of the figure."""
    return canvas.quiet(figure.add_axes((left, bottom, width, height)), grid="y")


def titled(axes: Axes, text: str) -> None:
    """Put a title at the left."""
    axes.set_title(text, loc="left", color=COLOURS["ink"], fontsize=canvas.NORMAL, weight="bold", pad=10)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write NAME.svg and NAME.png; the same figure gives the same bytes."""
    with rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
