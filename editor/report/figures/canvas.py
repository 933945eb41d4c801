"""Drawing for reports and for files: one palette, quiet axes, and rows of dots with intervals.

matplotlib draws with key colours; in the SVG of a page each becomes the page's CSS variable of the same name, so
that one drawing is right on white, on black and on paper. A file's figure is drawn inside `on_white`, where the keys
are the page's light colours themselves. Text stays text. The same values give the same bytes.
"""

import html
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

Colour = Literal["ink", "muted", "rule", "before", "after", "decoy", "paper", "limit"]
COLOURS: dict[Colour, str] = {
    "ink": "#010101",
    "muted": "#020202",
    "rule": "#030303",
    "before": "#040404",
    "after": "#050505",
    "decoy": "#060606",
    "paper": "#070707",
    "limit": "#080808",
}
ON_WHITE: dict[Colour, str] = {
    "ink": "#16191d",
    "muted": "#59616b",
    "rule": "#dde1e6",
    "before": "#b3500a",
    "after": "#0b5fb0",
    "decoy": "#7a8490",
    "paper": "#ffffff",
    "limit": "#16191d",
}
"""The page's light colours, for figures of files."""
TAG = re.compile(r"<[^>]*>")
POINTS = 72.0
SMALL = 9.5
CHARACTER_INCHES = 0.078
BAND_OFFSET = 0.035
NORMAL = 10.5
SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": NORMAL,
    "axes.linewidth": 0.8,
    "path.simplify": False,
}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Layout of a drawing, by where it will be read.

    Attributes:
        name: name of the layout: 'wide' for a page, 'narrow' for a phone.
        width: width in inches.
    """

    name: str
    width: float

    @property
    def narrow(self) -> bool:
        """Whether labels must stand above their row instead of beside it."""
        return self.name == "narrow"


WIDE = Layout(name="wide", width=10.0)
NARROW = Layout(name="narrow", width=4.4)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure of the report in both layouts.

    Attributes:
        name: name that identifies it on the page.
        title: what it shows.
        caption: what to see and how to read it, with n and intervals.
        drawings: layout name -> SVG.
    """

    name: str
    title: str
    caption: str
    drawings: dict[str, str]


def chart(name: str, title: str, caption: str, draw: Callable[[Layout], Figure]) -> Chart:
    """Draw a figure in both layouts."""
    drawings = {
        layout.name: to_svg(draw(layout), salt=f"{name}-{layout.name}", title=title)
        for layout in (WIDE, NARROW)
    }
    return Chart(name=name, title=title, caption=caption, drawings=drawings)


def to_svg(figure: Figure, *, salt: str, title: str) -> str:
    """Return the figure as an `svg` element for an HTML page: no prolog, no dates, no fonts, unique ids."""
    buffer = io.StringIO()
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # the browser has other fonts
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(buffer.getvalue(), title)


def _for_page(svg: str, title: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", svg, flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg role="img" aria-label="{html.escape(title)}" {view[0] if view else ""}>'
    svg = opening + svg[svg.index(">") + 1 :]
    for name, key in COLOURS.items():
        svg = svg.replace(key, f"var(--{name})")
    used = {*re.findall(r'href="#([^"]+)"', svg), *re.findall(r"url\(#([^)]+)\)", svg)}
    svg = re.sub(r'\sid="([^"]+)"', lambda match: match[0] if match[1] in used else "", svg)
    svg = TAG.sub(lambda match: _tidy(match[0]), svg.replace("xlink:href", "href"))
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _tidy(tag: str) -> str:
    """Return a tag with coordinates to a hundredth of a point, its font's size and weight, and no font's name."""
    tag = re.sub(r"font: ((?:bold |700 )?)([\d.]+px)[^;\"]*", _font, tag)
    tag = re.sub(r"font-family:[^;\"]*;? ?|transform=\"rotate\(-?0 [^\"]*\"", "", tag)
    tag = re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), tag)
    return re.sub(r"\n(?=[LCQz])", "", tag)


def _font(match: re.Match[str]) -> str:
    return f"font-size: {match[2]}" + ("; font-weight: 600" if match[1] else "")


@contextmanager
def on_white() -> Iterator[None]:
    """Make `COLOURS` the page's light ones inside the block, or inside the function that this decorates."""
    keys = dict(COLOURS)
    COLOURS.update(ON_WHITE)
    try:
        yield
    finally:
        COLOURS.update(keys)


def new_figure(width: float, height: float) -> Figure:
    """Make an empty transparent figure, in inches, outside pyplot's global state."""
    return Figure(figsize=(width, height), dpi=POINTS)


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the lower left corner, with one quiet horizontal rule."""
    whole_width, whole_height = figure.get_size_inches()
    axes = figure.add_axes(
        (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    )
    axes.patch.set_alpha(0.0)
    return quiet(axes)


def quiet(axes: Axes, *, grid: Literal["x", "y", "both"] | None = None) -> Axes:
    """Leave axes nothing but a baseline, and rules where a grid is asked for; return them."""
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["rule"])
    axes.tick_params(colors=COLOURS["muted"], labelsize=SMALL, length=3, width=0.8, color=COLOURS["rule"])
    if grid is not None:
        axes.grid(axis=grid, color=COLOURS["rule"], linewidth=0.8)
        axes.set_axisbelow(True)
    return axes


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A dot with an interval, in data units; `low` and `high` None where there is no interval."""

    value: float
    colour: Colour
    low: float | None = None
    high: float | None = None
    hollow: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a dot chart.

    Attributes:
        label: text at the left, or above on a phone.
        numbers: text at the right, the marks in figures.
        marks: marks from before to after; joined by a line when there are two.
        limit: value of a tick at what the policy allows.
        heading: whether the row is only a heading for those below.
    """

    label: str
    numbers: str = ""
    marks: tuple[Mark, ...] = ()
    limit: float | None = None
    heading: bool = False


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The horizontal axis of a dot chart: its ends, ticks and their texts, and its name."""

    low: float
    high: float
    ticks: tuple[float, ...]
    texts: tuple[str, ...]
    name: str = ""

    def clip(self, value: float) -> float:
        """Return the value, moved to the nearest end when it lies outside."""
        return min(max(value, self.low), self.high)


SHARES = Scale(low=0.0, high=1.0, ticks=(0, 0.25, 0.5, 0.75, 1), texts=("0%", "25%", "50%", "75%", "100%"))


def row_step(row: Row, layout: Layout, *, first: bool) -> float:
    """Return the height of a row in inches; a heading has some air above it."""
    if row.heading:
        return 0.26 if first else 0.46
    return 0.5 if layout.narrow else 0.32


def rows_height(rows: Sequence[Row], layout: Layout) -> float:
    """Return the height in inches that `draw_rows` needs for the rows alone."""
    return sum(row_step(row, layout, first=index == 0) for index, row in enumerate(rows)) + 0.12


def dot_figure(
    rows: Sequence[Row],
    scale: Scale,
    layout: Layout,
    *,
    number_width: float = 1.75,
) -> Figure:
    """Draw a figure of one dot chart."""
    height = rows_height(rows, layout)
    bottom = 0.62 if scale.name else 0.4
    figure = new_figure(layout.width, height + bottom)
    label_width = label_space(rows)
    if layout.narrow:
        label_width = number_width = 0.12
    axes = place(figure, label_width, bottom, layout.width - label_width - number_width, height)
    draw_rows(axes, rows, scale, layout)
    return figure


def label_space(rows: Sequence[Row]) -> float:
    """Return the inches that the labels of rows need beside them, within reason; longer ones are cut."""
    longest = max((len(row.label) for row in rows), default=0)
    return min(max(longest * CHARACTER_INCHES + 0.3, 2.2), 4.0)


def draw_rows(axes: Axes, rows: Sequence[Row], scale: Scale, layout: Layout) -> None:
    """Fill axes with rows of dots and their texts from top to bottom, in inches of height."""
    height = rows_height(rows, layout)
    axes.set_ylim(height, 0)
    padding = (scale.high - scale.low) * 0.012
    axes.set_xlim(scale.low - padding, scale.high + padding)
    axes.set_xticks(scale.ticks, scale.texts)
    axes.set_yticks([])
    for tick in scale.ticks:
        axes.axvline(tick, color=COLOURS["rule"], linewidth=0.8, zorder=0)
    if scale.name:
        axes.set_xlabel(scale.name, color=COLOURS["muted"], fontsize=SMALL, labelpad=6)
    top = 0.05
    for index, row in enumerate(rows):
        step = row_step(row, layout, first=index == 0)
        middle = top + step - (0.12 if row.heading else 0.14 if layout.narrow else step / 2)
        _draw_marks(axes, row, scale, middle)
        _draw_texts(axes, row, top + 0.13 if layout.narrow and not row.heading else middle, layout)
        top += step


def _draw_marks(axes: Axes, row: Row, scale: Scale, middle: float) -> None:
    """Draw bands, then rings for before and dots for after, so that a dot inside a ring shows both."""
    values = [scale.clip(mark.value) for mark in row.marks]
    pair = len(values) > 1
    if pair:
        axes.plot([values[0], values[-1]], [middle, middle], color=COLOURS["rule"], linewidth=2, zorder=1)
    for index, (mark, value) in enumerate(zip(row.marks, values, strict=True)):
        if mark.low is not None and mark.high is not None:
            ends = [scale.clip(mark.low), scale.clip(mark.high)]
            height = middle + (BAND_OFFSET * (2 * index - 1) if pair else 0.0)
            (band,) = axes.plot(ends, [height, height], color=COLOURS[mark.colour], alpha=0.3, zorder=2)
            band.set(linewidth=3.2 if pair else 4.4, solid_capstyle="butt")
        size = 5.0 if pair and not mark.hollow else 9.0
        dots(axes, [value], [middle], mark.colour, hollow=mark.hollow, size=size)
    if row.limit is not None:
        limit = scale.clip(row.limit)
        ends = [middle - 0.11, middle + 0.11]
        axes.plot([limit, limit], ends, color=COLOURS["limit"], linewidth=2, zorder=5, solid_capstyle="butt")


def _draw_texts(axes: Axes, row: Row, height: float, layout: Layout) -> None:
    weight = "bold" if row.heading else "normal"
    colour = COLOURS["ink"]
    numbers_colour = COLOURS["muted"] if row.heading else colour
    whole = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    points = axes.bbox.width
    at_left = 0.0 if layout.narrow else -(axes.bbox.x0 - 2) / points
    at_right = 1.0 if layout.narrow else (axes.figure.bbox.width - axes.bbox.x0 - 2) / points
    inches = (axes.figure.bbox.width if layout.narrow else axes.bbox.x0) / POINTS - 0.2
    room = int(inches / CHARACTER_INCHES) - (len(row.numbers) + 2 if layout.narrow else 0)
    label = row.label if len(row.label) <= room else row.label[: room - 1].rstrip() + "…"
    axes.text(at_left, height, label, transform=whole, va="center", weight=weight, color=colour)
    axes.text(at_right, height, row.numbers, transform=whole, va="center", ha="right", color=numbers_colour)


def dots(
    axes: Axes,
    x: Iterable[float],
    y: Iterable[float],
    colour: Colour,
    *,
    hollow: bool = False,
    size: float = 7.0,
) -> None:
    """Draw round markers: hollow before an edit, filled after it, so that colour is never the only difference."""
    axes.plot(
        list(x),
        list(y),
        linestyle="none",
        marker="o",
        markersize=size,
        markeredgewidth=1.7,
        markeredgecolor=COLOURS[colour],
        markerfacecolor=COLOURS["paper"] if hollow else COLOURS[colour],
        zorder=4,
        clip_on=False,
    )
