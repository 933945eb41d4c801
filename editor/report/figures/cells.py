"""Shaded cells that follow the page's light and dark: strength is opacity, and a shade is one path."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from editor.report.figures.canvas import COLOURS, Colour

SHADES = 8
"""Number of steps of opacity above none."""
LEAST, MOST = 0.1, 0.95
"""Opacity of the first and the last step."""
Box = tuple[float, float, float, float]


def draw_cells(
    axes: Axes,
    strengths: NDArray[np.float64],
    colour: Colour = "after",
    *,
    left: float = 0.0,
    top: float = 0.0,
    height: float = 1.0,
    share: float = 0.84,
) -> None:
    """Draw cells one unit wide and `height` high, rows downwards from `top`; the y axis points down.

    Args:
        axes: axes to draw in; their limits are left alone.
        strengths: strengths of 0 (not drawn) to 1, (rows, columns).
        colour: colour of the page.
        left: left end of the first column.
        top: top of the first row.
        height: height of a row, with the gap below.
        share: share of the height that is coloured.
    """
    levels = np.ceil(np.clip(strengths, 0, 1) * SHADES - 1e-9).astype(int)
    boxes: dict[int, list[Box]] = defaultdict(list)
    for row, values in enumerate(levels.tolist()):
        above = top + row * height + height * (1 - share) / 2
        at = 0
        for level, run in groupby(values):
            end = at + len(list(run))
            if level:
                boxes[level].append((left + at, above, left + end, above + height * share))
            at = end
    for level in sorted(boxes):
        opacity = LEAST + (MOST - LEAST) * (level - 1) / (SHADES - 1)
        draw_boxes(axes, boxes[level], colour, opacity)


def draw_boxes(axes: Axes, boxes: Sequence[Box], colour: Colour, opacity: float) -> None:
    """Fill boxes (left, top, right, bottom) as one path."""
    corners = [
        corner
        for left, top, right, bottom in boxes
        for corner in ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    ]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(boxes)
    axes.add_patch(PathPatch(Path(corners, codes), color=COLOURS[colour], alpha=opacity, linewidth=0))


def binned(values: NDArray[Any], columns: int) -> NDArray[Any]:
    """Return the highest value in each of so many cells; fewer values than cells are stretched."""
    edges = np.linspace(0, len(values), columns + 1)
    ends = ((int(low), max(int(low) + 1, int(np.ceil(high)))) for low, high in pairwise(edges))
    return np.array([values[low:high].max() for low, high in ends])


def bare(axes: Axes) -> Axes:
    """Take rules and tick marks off axes, and return them."""
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0)
    return axes
