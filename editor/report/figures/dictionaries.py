"""Figures of dictionaries as files of their own: SVG and PNG, in the report's colours on white."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from editor.report.figures.canvas import COLOURS, new_figure, on_white
from editor.report.figures.drawing import WIDTH, add_axes, series, titled
from editor.report.figures.drawing import save_figure as save_figure  # noqa: PLC0414  # with the figures that it saves

if TYPE_CHECKING:
    from dictionaries import Evaluation
    from dictionaries.evaluation.hidden_entropy import EntropyRow


@on_white()
def recovered_figure(rows: "Mapping[str, Evaluation]") -> Figure | None:
    """Draw L0 against cross-entropy recovered from mean ablation, a point a dictionary; None where none was spliced."""
    points = {
        name: (one.l0, one.cross_entropy.recovered_from_mean)
        for name, one in rows.items()
        if one.cross_entropy is not None
    }
    if not points:
        return None
    groups = _groups(points)
    figure = new_figure(WIDTH, 4.2)
    axes = add_axes(figure, 0.1, 0.14, 0.87, 0.72)
    for index, (group, names) in enumerate(groups.items()):
        colour, marker = series(index)
        x, y = zip(*(points[name] for name in names), strict=True)
        axes.plot(x, y, marker, color=colour, label=group, markersize=7)
        for name in names:
            if "/" in name:
                axes.annotate(
                    name.rpartition("/")[2],
                    points[name],
                    (6, 3),
                    textcoords="offset points",
                    color=COLOURS["muted"],
                    size=9,
                )
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * (high / low) ** 0.12)  # room for the last label
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.set_xlabel("L0: features on, a token", color=COLOURS["muted"])
    axes.set_ylabel("cross-entropy recovered", color=COLOURS["muted"])
    titled(axes, "What the model's prediction keeps, against mean ablation")
    axes.legend(frameon=False, labelcolor=COLOURS["ink"], fontsize=9.5)
    return figure


@on_white()
def density_figure(rows: "Mapping[str, Evaluation]") -> Figure:
    """Draw how many features are on for what share of the tokens, a histogram a dictionary."""
    from dictionaries.evaluation.evaluate import DENSITY_EDGES

    height = 1.05
    figure = new_figure(WIDTH, 0.85 + height * len(rows))
    whole = figure.get_size_inches()[1]
    families = list(dict.fromkeys(map(_family, rows)))
    for index, (name, one) in enumerate(rows.items()):
        colour, _ = series(families.index(_family(name)))
        bottom = whole - 0.25 - height * (index + 1)
        axes = add_axes(figure, 0.1, bottom / whole, 0.87, (height - 0.3) / whole)
        axes.grid(visible=False)
        axes.stairs(one.density_counts, DENSITY_EDGES, fill=True, color=colour, alpha=0.85)
        axes.set_xscale("log")
        axes.set_xlim(DENSITY_EDGES[0], 1)
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
        axes.axvline(0.1, color=COLOURS["rule"], zorder=0)
        axes.axvline(0.01, color=COLOURS["rule"], zorder=0)
        dead = one.features - one.alive
        axes.text(0.01, 0.95, name, transform=axes.transAxes, va="top", color=COLOURS["ink"], size=9.5)
        axes.text(
            0.01,
            0.68,
            f"{dead:,} never on",
            transform=axes.transAxes,
            va="top",
            color=COLOURS["muted"],
            size=9,
        )
        if index < len(rows) - 1:
            axes.tick_params(labelbottom=False)
    axes.set_xlabel("share of tokens a feature is on for (lines at 1% and 10%)", color=COLOURS["muted"])
    figure.text(0.1, 1 - 0.12 / whole, "Features by density", color=COLOURS["ink"], va="top", weight="bold")
    return figure


@on_white()
def entropy_figure(rows: "Sequence[EntropyRow]", title: str, label: str) -> Figure:
    """Draw entropy in bits with bootstrap intervals, a point a layer or position; a line for each site of several."""
    groups: dict[str, list[EntropyRow]] = {}
    for row in rows:
        groups.setdefault(row.series, []).append(row)
    figure = new_figure(WIDTH, 4.2)
    axes = add_axes(figure, 0.1, 0.14, 0.87, 0.72)
    for index, (name, points) in enumerate(groups.items()):
        colour, marker = series(index)
        x = [row.at for row in points]
        axes.fill_between(
            x, [row.low for row in points], [row.high for row in points], color=colour, alpha=0.2, linewidth=0
        )
        axes.plot(x, [row.bits for row in points], marker=marker, color=colour, label=name, markersize=5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(label, color=COLOURS["muted"])
    axes.set_ylabel("entropy, bits (an upper bound)", color=COLOURS["muted"])
    titled(axes, title)
    if len(groups) > 1:
        axes.legend(frameon=False, labelcolor=COLOURS["ink"], fontsize=9.5)
    return figure


def _groups(points: "Mapping[str, tuple[float, float]]") -> dict[str, list[str]]:
    """Group dictionaries by folder: those of one share colour and marker."""
    groups: dict[str, list[str]] = {}
    for name, (_, y) in points.items():
        if math.isfinite(y):
            groups.setdefault(_family(name), []).append(name)
    return groups


def _family(name: str) -> str:
    """Return the folder of a dictionary, by its row's name."""
    return name.rpartition("/")[0] or name
