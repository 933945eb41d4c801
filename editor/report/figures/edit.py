"""Figures of the edit: where the facts sat, where the weights changed, and how its strength was chosen."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator

from editor.formatting import number, percent, plural
from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, Chart, Layout
from editor.results.edits import LayerRow, TrialRow
from editor.results.report import Report

UNITS_SHOWN = 8
LOG_FROM = 5.0
"""Ratio of the dearest trial's collateral to the cheapest's from which on the axis is logarithmic."""
MARGIN = 0.04
"""Margin beside the outermost trials, as a share of the axis."""


def layers_chart(report: Report) -> Chart | None:
    """Draw a map of layers by units: attribution of each site, its strongest units, and the size of the edit there."""
    if report.edit is None or not report.edit.layers:
        return None
    layers = report.edit.layers
    located = plural(sum(row.units for row in layers), "unit")
    caption = (
        "One row a site, the first layer at the top. Left: where the facts sat, as the share of the located "
        "attribution. Middle: how much the weights changed there (Frobenius norm). On wide pages, squares show the "
        f"strongest units by number; the stronger the colour, the higher the score. {located} were located in all."
    )
    return canvas.chart(
        "layers",
        "Where the facts sat and where the edit went",
        caption,
        lambda layout: _draw_layers(layers, layout),
    )


def _draw_layers(layers: Sequence[LayerRow], layout: Layout) -> Figure:
    step = 0.42 if len(layers) <= 16 else 0.24
    height = step * len(layers)
    figure = canvas.new_figure(layout.width, height + 0.35)
    label, bar = (1.15, 1.6) if layout.narrow else (1.25, 2.3)
    bottom, gap = 0.1, 0.15
    share = canvas.place(figure, label, bottom, bar - gap, height)
    norm = canvas.place(figure, label + bar, bottom, bar - gap, height)
    _bars(share, [row.attribution_share for row in layers], "before", "attribution", percent)
    _bars(norm, [row.edit_norm for row in layers], "after", "change of weights", number)
    for index, row in enumerate(layers):
        left = -(share.bbox.x0 - 2) / share.bbox.width
        middle = index + 0.5
        share.text(
            left, middle, row.site, transform=share.get_yaxis_transform(), va="center", color=COLOURS["ink"]
        )
    if not layout.narrow:
        units = canvas.place(
            figure, label + 2 * bar + 0.1, bottom, layout.width - label - 2 * bar - 0.15, height
        )
        _units(units, layers)
    return figure


def _bars(axes: Axes, values: Sequence[float], colour: canvas.Colour, name: str, text: object) -> None:
    write = percent if text is percent else number
    largest = max([*values, 1e-12])
    axes.set_xlim(0, largest * 1.5)
    axes.set_ylim(len(values), 0)
    axes.barh(
        [index + 0.5 for index in range(len(values))], values, height=0.5, color=COLOURS[colour], linewidth=0
    )
    for index, value in enumerate(values):
        at = value + largest * 0.04
        axes.text(at, index + 0.5, write(value), va="center", color=COLOURS["ink"], fontsize=canvas.SMALL)
    _bare(axes, name)
    axes.axvline(0, color=COLOURS["rule"], linewidth=1.2)


def _units(axes: Axes, layers: Sequence[LayerRow]) -> None:
    axes.set_xlim(0, UNITS_SHOWN)
    axes.set_ylim(len(layers), 0)
    largest = max((abs(score) for row in layers for score in row.top_scores), default=1.0) or 1.0
    for index, row in enumerate(layers):
        for place, (unit, score) in enumerate(
            zip(row.top_units[:UNITS_SHOWN], row.top_scores[:UNITS_SHOWN], strict=False)
        ):
            strength = 0.06 + 0.4 * abs(score) / largest
            axes.add_patch(
                Rectangle(
                    (place + 0.04, index + 0.12),
                    0.92,
                    0.76,
                    color=COLOURS["before"],
                    alpha=strength,
                    linewidth=0,
                )
            )
            axes.text(place + 0.5, index + 0.5, str(unit), ha="center", va="center", color=COLOURS["ink"],
                      fontsize=canvas.SMALL)  # fmt: skip
    _bare(axes, "strongest units")


def _bare(axes: Axes, name: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    axes.text(
        0, 1.0, name, transform=axes.transAxes, va="bottom", color=COLOURS["muted"], fontsize=canvas.SMALL
    )


def search_chart(report: Report) -> Chart | None:
    """Draw the trials of the strength search: leakage against collateral, the Pareto front, and the trial chosen.

    Nothing is drawn of a single trial, which was chosen from no others.
    """
    if len(report.trials) < 2:
        return None
    front = pareto_front(report.trials)
    caption = (
        f"Each dot is a trial (n = {len(report.trials)}), scored on the locating split alone; verification never "
        "took part. The lower left corner is best. The line joins the trials that no other beats in both."
    )
    return canvas.chart(
        "search",
        "How the strength was chosen",
        caption,
        lambda layout: _draw_search(report.trials, front, layout),
    )


def pareto_front(trials: Sequence[TrialRow]) -> tuple[TrialRow, ...]:
    """Return the trials that no other trial beats in both leakage and collateral, by rising collateral."""
    front: list[TrialRow] = []
    for trial in sorted(trials, key=lambda row: (row.collateral, row.leakage)):
        if not front or trial.leakage < front[-1].leakage:
            front.append(trial)
    return tuple(front)


def _draw_search(trials: Sequence[TrialRow], front: Sequence[TrialRow], layout: Layout) -> Figure:
    height = 3.2
    figure = canvas.new_figure(layout.width, height + 0.85)
    axes = canvas.place(figure, 0.75, 0.55, layout.width - 1.0, height)
    values = [trial.collateral for trial in trials]
    low, high = min(values), max(values)
    if low > 0 and high / low > LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** MARGIN, high * (high / low) ** MARGIN)
        axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0,) if layout.narrow else (1.0, 3.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.step(
        [trial.collateral for trial in front],
        [trial.leakage for trial in front],
        where="post",
        color=COLOURS["decoy"],
        linewidth=1.6,
        zorder=1,
    )
    others = [trial for trial in trials if not trial.chosen]
    canvas.dots(
        axes,
        [trial.collateral for trial in others],
        [trial.leakage for trial in others],
        "decoy",
        hollow=True,
        size=6,
    )
    top = max(trial.leakage for trial in trials) or 1.0
    axes.set_ylim(-0.05 * top, 1.08 * top)
    for trial in (trial for trial in trials if trial.chosen):
        _draw_chosen(axes, trial)
    axes.yaxis.set_major_formatter(lambda value, _: "" if value < 0 else f"{value:.0%}")
    axes.minorticks_off()
    canvas.quiet(axes, grid="both")
    axes.set_xlabel("collateral: KL divergence on retained text, nats/token", color=COLOURS["muted"],
                    fontsize=canvas.SMALL)  # fmt: skip
    axes.text(0, 1.03, "leakage: facts that miss a ceiling of the policy", transform=axes.transAxes,
              color=COLOURS["muted"], fontsize=canvas.SMALL)  # fmt: skip
    return figure


def _draw_chosen(axes: Axes, trial: TrialRow) -> None:
    """Mark the trial that was chosen, with its label on the side where there is room."""
    canvas.dots(axes, [trial.collateral], [trial.leakage], "after", size=10)
    axes.get_xlim()  # limits are worked out when they are asked for
    place = axes.transAxes.inverted().transform(axes.transData.transform((trial.collateral, trial.leakage)))
    at_right, above = bool(place[0] < 0.5), bool(place[1] < 0.5)
    axes.annotate(
        f"chosen: trial {trial.number}",
        (trial.collateral, trial.leakage),
        xytext=(10 if at_right else -10, 12 if above else -12),
        textcoords="offset points",
        ha="left" if at_right else "right",
        va="bottom" if above else "top",
        color=COLOURS["ink"],
        weight="bold",
    )
