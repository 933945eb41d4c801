"""Figures of a comparison's outcomes: leakage against collateral, the arms side by side, and what they share."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from editor.comparing.conclusion import JUDGED_AT
from editor.comparing.statistics import MOST_CHANGED
from editor.formatting import percent, plural
from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, SHARES, Chart, Colour, Layout, Mark, Row
from editor.report.figures.cells import bare, draw_boxes, draw_cells
from editor.report.figures.changed_weights import modules_drawing, neurons_drawing
from editor.report.figures.drawing import Drawing
from editor.report.figures.labels import label_points
from editor.results.comparison import POINTS, Comparison, Interval, SummaryRow
from editor.results.names import MethodFamily

FAMILIES: dict[MethodFamily, tuple[Colour, str]] = {
    "features": ("after", "o"),
    "neurons": ("before", "s"),
    "circuits": ("ink", "^"),
    "weights": ("muted", "D"),
    "random": ("decoy", "X"),
}
"""Colour and marker of a family: the marker tells them apart without colour."""


def comparison_charts(comparison: Comparison) -> dict[str, Chart]:
    """Draw every figure that the comparison has values for, by name, for its page."""
    return {one.name: one.chart() for one in _drawings(comparison)}


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Draw the same figures for files of their own, on white, by name."""
    return {f"comparison_{one.name}": one.figure() for one in _drawings(comparison)}


def _drawings(comparison: Comparison) -> list[Drawing]:
    makers = (pareto_drawing, forest_drawing, overlap_drawing, modules_drawing, neurons_drawing)
    return [drawing for make in makers if (drawing := make(comparison)) is not None]


def pareto_drawing(comparison: Comparison) -> Drawing:
    """Draw exposed facts against collateral: every arm at its operating points, and the trials of its search."""
    seeds = plural(len(comparison.seeds), "seed")
    caption = (
        f"Each marker is an arm at an operating point, a mean over {seeds}; the lower left corner is best. Filled: "
        f"tuned to the policy. Hollow: {POINTS['norm']}, {POINTS['collateral']} and {POINTS['quarter']} of the "
        f"reference ({comparison.reference}); a line joins an arm's points. Facts are exposed when verification finds "
        "them below the policy's percentile of decoys. Faint dots are the trials of the searches: they are scored on "
        "the locating split alone, as the share of facts that miss one of the policy's leakage ceilings, so they "
        "show where a search has been rather than what verification found. The axis is logarithmic; what is beyond "
        "its ends is drawn at them."
    )
    return Drawing(
        name="pareto",
        title="What leaks on, against what the edit cost",
        caption=caption,
        draw=lambda layout: _draw_pareto(comparison, layout),
    )


def _draw_pareto(comparison: Comparison, layout: Layout) -> Figure:
    height = 4.6 if layout.narrow else 4.8
    figure = canvas.new_figure(layout.width, height + 1.1)
    axes = canvas.place(figure, 0.6, 0.55, layout.width - 0.8, height)
    low, high = _reach(comparison)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.25, high * 1.25)
    axes.set_ylim(-0.1, 1.05)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if layout.narrow else (1.0, 3.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(SHARES.ticks, SHARES.texts)
    axes.minorticks_off()
    canvas.quiet(axes, grid="both")
    _draw_trials(axes, comparison, low, high)
    paths = {
        arm: [(min(max(row.collateral, low), high), row.exposed.mean, row) for row in rows]
        for arm, rows in _by_arm(comparison.summary).items()
    }
    for path in paths.values():
        _draw_path(axes, path)
    named = [(arm, *path[0][:2]) for arm, path in paths.items()]
    label_points(axes, named, [one[:2] for path in paths.values() for one in path[1:]])
    _family_legend(axes, comparison, layout)
    axes.set_xlabel("collateral: KL divergence on retained text, nats/token", color=COLOURS["muted"],
                    fontsize=canvas.SMALL)  # fmt: skip
    return figure


def _reach(comparison: Comparison) -> tuple[float, float]:
    """Return the ends of the axis of collateral: those of the points, and of trials within ten times of them."""
    points = [row.collateral for row in comparison.summary if 0 < row.collateral < math.inf] or [1e-3]
    trials = [trial.collateral for run in comparison.arms for trial in run.trials]
    near = [value for value in trials if min(points) / 10 <= value <= max(points) * 10]
    return min(points + near), max(points + near)


def _draw_trials(axes: Axes, comparison: Comparison, low: float, high: float) -> None:
    for family, (colour, marker) in FAMILIES.items():
        trials = [trial for run in comparison.arms if run.family == family for trial in run.trials]
        axes.plot(
            [min(max(trial.collateral, low), high) for trial in trials],
            [trial.leakage for trial in trials],
            linestyle="none",
            marker=marker,
            markersize=3,
            markeredgewidth=0,
            color=COLOURS[colour],
            alpha=0.28,
            zorder=2,
        )


def _draw_path(axes: Axes, path: Sequence[tuple[float, float, SummaryRow]]) -> None:
    colour, marker = FAMILIES[path[0][2].family]
    ordered = sorted(path, key=lambda one: (one[0], one[1]))
    axes.plot(
        [x for x, _, _ in ordered],
        [y for _, y, _ in ordered],
        color=COLOURS[colour],
        linewidth=0.9,
        alpha=0.55,
        zorder=3,
    )
    for x, y, row in path:
        axes.plot(
            [x],
            [y],
            linestyle="none",
            marker=marker,
            markersize=8.5 if row.point == "policy" else 7,
            markeredgewidth=1.4,
            markeredgecolor=COLOURS[colour],
            markerfacecolor=COLOURS[colour] if row.point == "policy" else COLOURS["paper"],
            zorder=5 if row.point == "policy" else 4,
            clip_on=False,
        )


def _family_legend(axes: Axes, comparison: Comparison, layout: Layout) -> None:
    present = [family for family in FAMILIES if any(row.family == family for row in comparison.summary)]
    handles = [
        Line2D([], [], linestyle="none", marker=FAMILIES[family][1], color=COLOURS[FAMILIES[family][0]], markersize=7)
        for family in present
    ]  # fmt: skip
    axes.text(
        0,
        1.105 if layout.narrow else 1.02,
        "exposed facts",
        transform=axes.transAxes,
        color=COLOURS["muted"],
        fontsize=canvas.SMALL,
    )
    axes.legend(
        handles,
        present,
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=3 if layout.narrow else len(present),
        frameon=False,
        labelcolor=COLOURS["ink"],
        fontsize=canvas.SMALL,
        handletextpad=0.2,
        columnspacing=1.2,
        borderpad=0.1,
    )


def forest_drawing(comparison: Comparison) -> Drawing | None:
    """Draw Gen and exposed facts of every arm at the same collateral, with their intervals."""
    rows = [row for row in comparison.summary if row.point == JUDGED_AT]
    if not rows:
        return None
    facts = len({fact.fact for run in comparison.arms for point in run.points for fact in point.facts})
    caption = (
        f"Every arm brought to the collateral of {comparison.reference}, the best at the top. Gen: wordings that no "
        "edit saw and that greedy decoding completes no more. Exposed: facts below the policy's percentile of decoys. "
        f"Bands are 95% bootstrap intervals over facts (n = {facts}), each a mean over "
        f"{plural(len(comparison.seeds), 'seed')}; where all facts come out alike they have no width. Hollow: random "
        "controls."
    )
    gen = sorted(rows, key=lambda row: -row.gen.mean)
    exposed = sorted(rows, key=lambda row: row.exposed.mean)
    lines = [
        Row(label="Gen: unseen wordings forgotten", heading=True),
        *(_forest_row(row, row.gen) for row in gen),
        Row(label="Exposed facts", heading=True),
        *(_forest_row(row, row.exposed) for row in exposed),
    ]
    return Drawing(
        name="forest",
        title="Every arm at the same collateral",
        caption=caption,
        draw=lambda layout: canvas.dot_figure(lines, SHARES, layout, number_width=2.2),
    )


def _forest_row(row: SummaryRow, value: Interval) -> Row:
    mark = Mark(
        value=value.mean,
        low=value.low,
        high=value.high,
        colour=FAMILIES[row.family][0],
        hollow=row.family == "random",
    )
    return Row(
        label=row.arm,
        numbers=f"{percent(value.mean)} ({percent(value.low)} to {percent(value.high)})",
        marks=(mark,),
    )


def overlap_drawing(comparison: Comparison) -> Drawing | None:
    """Draw how many of the most changed neurons every two arms share."""
    if not comparison.overlaps:
        return None
    pairs = {(one.first, one.second): one.jaccard for one in comparison.overlaps}
    changing = {arm for pair in pairs for arm in pair}
    arms = [arm for arm in _by_arm(comparison.summary) if arm in changing]
    caption = (
        f"Of the {MOST_CHANGED} neurons whose weights each arm changed most when tuned to the policy, the share that "
        "two arms have in common (Jaccard index: common over all of both), a mean over seeds. "
        f"{_by_chance(comparison)} Columns are numbered as the rows. Arms that change no neuron of an MLP are left out."
    )
    return Drawing(
        name="overlap",
        title="Do the arms change the same neurons?",
        caption=caption,
        draw=lambda layout: _draw_overlaps(arms, pairs, layout),
    )


def _by_chance(comparison: Comparison) -> str:
    """Say what two random draws of as many neurons would have in common."""
    neurons = max(sum(map(len, run.editing.neurons.values())) for run in comparison.arms)
    common = min(MOST_CHANGED, neurons) ** 2 / neurons
    chance = common / (2 * min(MOST_CHANGED, neurons) - common)
    return (
        f"Two random draws of as many from the {neurons:,} neurons would have about {chance:.3f} in common."
    )


def _draw_overlaps(arms: Sequence[str], pairs: dict[tuple[str, str], float], layout: Layout) -> Figure:
    count = len(arms)
    label = 0.35 + max(map(len, arms)) * canvas.CHARACTER_INCHES
    step = min(0.52, (layout.width - label - 0.1) / (count - 1))
    high = min(step, 0.36)
    figure = canvas.new_figure(layout.width, count * high + 0.4)
    axes = bare(canvas.place(figure, label, 0.05, (count - 1) * step, count * high))
    axes.set_xlim(0, count - 1)
    axes.set_ylim(count, 0)
    ground = [(column, row + 0.04, column + 1, row + 0.96) for row in range(count) for column in range(row)]
    draw_boxes(axes, ground, "rule", 0.45)
    for row, first in enumerate(arms):
        values = [pairs.get((second, first), 0.0) for second in arms[:row]]
        if row:
            draw_cells(axes, np.array([values]) * 0.7, top=row, share=0.92)
        for column, value in enumerate(values if not layout.narrow else ()):
            _share(axes, column, row, value)
    axes.xaxis.tick_top()
    places = [place + 0.5 for place in range(count)]
    axes.set_xticks(places[:-1], [str(column) for column in range(1, count)])
    axes.set_yticks(places, [f"{row}  {arm}" for row, arm in enumerate(arms, 1)])
    for text in axes.get_yticklabels():
        text.set_color(COLOURS["ink"])
    return figure


def _share(axes: Axes, column: int, row: int, value: float) -> None:
    text = (
        "0"
        if value == 0
        else "<.01"
        if value < 0.005
        else f"{value:.2f}".removeprefix("0").replace("1.00", "1")
    )
    axes.text(
        column + 0.5,
        row + 0.5,
        text,
        ha="center",
        va="center",
        color=COLOURS["ink" if value >= 0.005 else "muted"],
        fontsize=canvas.SMALL,
        zorder=5,
    )


def _by_arm(rows: Sequence[SummaryRow]) -> dict[str, list[SummaryRow]]:
    """Return arm -> its rows, the one tuned to the policy first."""
    found: dict[str, list[SummaryRow]] = {}
    for row in rows:
        found.setdefault(row.arm, []).append(row)
    return found
