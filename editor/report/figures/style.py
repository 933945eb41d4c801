"""What figures that are files of their own have in common: SVG and PNG, in the report's colours on white."""

import warnings
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, RULE = "#16191d", "#59616b", "#dde1e6"
SERIES = (
    ("#0b5fb0", "o"),
    ("#b3500a", "s"),
    ("#7a8490", "^"),
    ("#16191d", "D"),
    ("#0b5fb0", "v"),
    ("#b3500a", "P"),
)
"""Colour and marker of each series: the marker tells them apart without colour."""
SETTINGS = {"svg.fonttype": "none", "font.size": 10.5, "axes.linewidth": 0.8, "text.parse_math": False}
WIDTH = 7.2
PIXELS_PER_INCH = 160


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write NAME.svg and NAME.png; the same figure gives the same bytes."""
    with rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})
        figure.savefig(folder / f"{name}.png", dpi=PIXELS_PER_INCH, metadata={"Software": None})


def new_file_figure(height: float) -> Figure:
    """Make a figure of the common width, so many inches high."""
    return Figure(figsize=(WIDTH, height), facecolor="white")


def titled(axes: Axes, text: str) -> None:
    """Put a title at the left."""
    axes.set_title(text, loc="left", color=INK, fontsize=10.5, weight="bold", pad=10)


def quiet(axes: Axes) -> Axes:
    """Leave axes nothing but a baseline and horizontal rules, and return them."""
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(RULE)
    axes.grid(axis="y", color=RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=9, length=3, width=0.8, color=RULE)
    return axes
