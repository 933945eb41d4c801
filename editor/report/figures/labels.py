"""Names beside points, moved apart so that they cover neither each other nor a point."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from editor.report.figures.canvas import COLOURS, SMALL

DISTANCES = (9.0, 15.0, 23.0, 33.0, 46.0, 62.0)
"""Distances between a point and its name, in points of 1/72 inch."""
DIRECTIONS = tuple(
    math.radians(degrees) for degrees in (0, 180, 30, 150, 60, 120, 90, 330, 210, 300, 240, 270)
)
CHARACTER, LINE = 0.62 * SMALL, 1.25 * SMALL
MARKER = 5.0
Box = tuple[float, float, float, float]
Place = tuple[float, float]


def label_points(axes: Axes, named: Sequence[tuple[str, float, float]], others: Sequence[Place] = ()) -> None:
    """Write a name beside each point, with a thin line where it had to move away.

    Args:
        axes: axes with their final limits, in a figure of 72 dots per inch.
        named: names with their points in data units; the first have the choice.
        others: further points that names should not cover.
    """
    at = {name: _place(axes, x, y) for name, x, y in named}
    taken = [
        _around(point, MARKER, MARKER) for point in (*at.values(), *(_place(axes, *one) for one in others))
    ]
    box = axes.bbox
    inside: Box = (box.x0, box.y0, box.x1, box.y1)
    for name, x, y in named:
        size = (len(name) * CHARACTER / 2, LINE / 2)
        offset = min(_offsets(size), key=lambda offset: _cost(at[name], offset, size, taken, inside))
        taken.append(_around((at[name][0] + offset[0], at[name][1] + offset[1]), *size))
        far = math.hypot(max(0.0, abs(offset[0]) - size[0]), max(0.0, abs(offset[1]) - size[1])) > 12
        axes.annotate(
            name,
            (x, y),
            xytext=offset,
            textcoords="offset points",
            ha="center",
            va="center",
            color=COLOURS["ink"],
            fontsize=SMALL,
            bbox={"facecolor": COLOURS["paper"], "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": COLOURS["muted"], "linewidth": 0.7, "shrinkB": 4}
            if far
            else None,
            zorder=6,
        )


def _place(axes: Axes, x: float, y: float) -> Place:
    across, up = axes.transData.transform((x, y))
    return float(across), float(up)


def _around(middle: Place, half_width: float, half_height: float) -> Box:
    x, y = middle
    return x - half_width, y - half_height, x + half_width, y + half_height


def _offsets(size: Place) -> list[Place]:
    """Return where the middle of a name may stand from its point, nearest first."""
    return [
        (math.cos(angle) * (distance + size[0]), math.sin(angle) * (distance + size[1]))
        for distance in DISTANCES
        for angle in DIRECTIONS
    ]


def _cost(point: Place, offset: Place, size: Place, taken: Sequence[Box], inside: Box) -> float:
    """Weigh the area covered and the area outside, then the distance."""
    box = _around((point[0] + offset[0], point[1] + offset[1]), *size)
    covered = sum(_common(box, other) for other in taken)
    outside = 4 * size[0] * size[1] - _common(box, inside)
    return 10 * (covered + outside) + math.hypot(*offset)


def _common(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, width) * max(0.0, height)
