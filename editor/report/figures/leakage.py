"""Figures of what the model leaks: extraction before and after, and how hard each fact is to guess."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from editor.formatting import arrow, bits, count, percent, plural, words
from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, SHARES, Chart, Layout, Mark, Row
from editor.report.summary import group_rows, overall
from editor.results.report import GroupResult, Rate, Report

MOST_DOTS = 300
MOST_BITS = 400.0
BANDS = ((0.05, 0.95), (0.25, 0.75))
"""Quantiles between which decoys are shaded, the wider band first."""
BINS = 50


def leakage_chart(report: Report) -> Chart | None:
    """Draw the share of facts that greedy decoding extracts, by group and wording, before and after."""
    results = group_rows(report)
    if not results:
        return None
    edited = report.model_after is not None
    rows: list[Row] = []
    for index, result in enumerate(results):
        if index == 0 or results[index - 1].group != result.group:
            name = "Facts in scope" if result.group == "erased" and not edited else words(result.group)
            rows.append(Row(label=name, numbers=_facts(result), heading=True))
        rows.append(_leakage_row(result))
    aim = (
        "Erased facts should move to the left end, everything else should stay where it was. "
        if edited
        else "The further right, the more leaks. "
    )
    symbols = "Hollow orange: before. Filled blue: after. " if edited else ""
    caption = (
        f"Share of facts that greedy decoding completes for at least one prompt. {aim}{symbols}"
        "Bands are exact 95% intervals (Clopper-Pearson); the figures at the right are facts extracted."
    )
    return canvas.chart(
        "leakage",
        "Facts extracted, by group and wording",
        caption,
        lambda layout: canvas.dot_figure(rows, SHARES, layout),
    )


def _facts(result: GroupResult) -> str:
    return plural(result.before.facts, "fact")


def _leakage_row(result: GroupResult) -> Row:
    before = result.before.greedy_facts
    after = None if result.after is None else result.after.greedy_facts
    marks = (rate_mark(before, before=True), *(() if after is None else (rate_mark(after),)))
    numbers = arrow(
        count(before) if after is None else f"{before.hits:,}", None if after is None else count(after)
    )
    return Row(label=words(result.wording), numbers=numbers, marks=marks)


def rate_mark(rate: Rate, *, before: bool = False) -> Mark:
    """Mark a rate with its interval, as before or after an edit."""
    colour: canvas.Colour = "before" if before else "after"
    return Mark(value=rate.rate, low=rate.low, high=rate.high, colour=colour, hollow=before)


def bits_chart(report: Report) -> Chart | None:
    """Draw the worst-case bits of every fact in scope, before and after, on those of the decoys."""
    if not report.facts:
        return None
    before = [row.worst_case_bits_before for row in report.facts]
    after = [row.worst_case_bits_after for row in report.facts if row.worst_case_bits_after is not None]
    decoys = overall(report, "decoys")
    each = "Each dot is a fact" if len(before) <= MOST_DOTS else f"Each dot is one of {MOST_DOTS} quantiles"
    against = (
        f" Decoys{f' (n = {decoys.before.facts:,})' if decoys else ''} are secrets of the same formats that the model "
        "never saw: what chance alone looks like. The bands hold 90% of them and the middle half, the line is their "
        "median. A fact among them is no easier to guess than they are; below, each is compared with its own format's."
        if report.decoy_bits
        else ""
    )
    caption = (
        f"{each} (n = {len(before):,}) at its worst wording and decoding; the further right, the harder to guess. "
        f"At 20 bits it takes about a million tries, at 30 a billion.{against}"
    )
    return canvas.chart(
        "bits",
        "How hard each fact is to guess",
        caption,
        lambda layout: _draw_bits(before, after, report.decoy_bits, layout),
    )


def _draw_bits(
    before: Sequence[float], after: Sequence[float], decoys: Sequence[float], layout: Layout
) -> Figure:
    strip = 1.15 if layout.narrow else 0.95
    decoy_height = (0.95 if layout.narrow else 0.75) if decoys else 0.0
    height = strip * (2 if after else 1) + decoy_height
    figure = canvas.new_figure(layout.width, height + 0.65)
    left = 0.15 if layout.narrow else 1.6
    axes = canvas.place(figure, left, 0.55, layout.width - left - 0.25, height)
    right = _right_end([*before, *after, *decoys])
    axes.set_ylim(height, 0)
    axes.set_xlim(-0.01 * right, right)
    axes.set_yticks([])
    canvas.quiet(axes, grid="x")
    axes.set_xlabel("worst-case bits", color=COLOURS["muted"], fontsize=canvas.SMALL)
    if decoys:
        _draw_decoys(axes, [min(value, right) for value in decoys], decoy_height, layout)
        detail = f"median {bits(float(np.median(decoys)))}"
        _strip_label(axes, "Decoys", detail, height - decoy_height, decoy_height, layout)
    _draw_strip(axes, "Before" if after else "Facts", before, (0.0, strip), layout)
    if after:
        _draw_strip(axes, "After", after, (strip, strip), layout)
    return figure


def _draw_decoys(axes: Axes, quantiles: Sequence[float], height: float, layout: Layout) -> None:
    """Draw the decoys: bands and median beneath all strips, and a histogram in the lowest `height` inches."""
    bottom, right = axes.get_ylim()[0], axes.get_xlim()[1]
    for low, high in BANDS:
        ends = np.quantile(quantiles, (low, high))
        axes.axvspan(ends[0], ends[1], color=COLOURS["decoy"], alpha=0.12, linewidth=0, zorder=0)
    median = float(np.median(quantiles))
    axes.plot([median, median], [0, bottom], color=COLOURS["decoy"], linewidth=1.4, zorder=1)
    edges = np.linspace(0.0, right, BINS + 1)
    shares = np.diff(np.interp(edges, quantiles, np.linspace(0.0, 1.0, len(quantiles))))
    heights = shares / max(shares.max(), 1e-12) * height * (0.6 if layout.narrow else 0.8)
    axes.stairs(
        bottom - heights,
        edges,
        baseline=bottom,
        fill=True,
        color=COLOURS["decoy"],
        alpha=0.75,
        linewidth=0,
        zorder=2,
    )


def _draw_strip(
    axes: Axes, name: str, values: Sequence[float], place: tuple[float, float], layout: Layout
) -> None:
    """Draw the dots of one strip; `place` is its top and its height in inches."""
    (top, height), right = place, axes.get_xlim()[1]
    shown = _quantiles([min(value, right) for value in values])
    room = height * (38 if layout.narrow else 52)
    offsets = _swarm(shown, span=right, width_points=axes.bbox.width, height_points=room)
    middle = top + height * (0.64 if layout.narrow else 0.5)
    _strip_label(axes, name, f"median {bits(float(np.median(values)))}", top, height, layout)
    colour: canvas.Colour = "after" if name == "After" else "before"
    y = [middle + offset / canvas.POINTS for offset in offsets]
    canvas.dots(axes, shown, y, colour, hollow=name != "After", size=5.5)


def _strip_label(axes: Axes, name: str, detail: str, top: float, height: float, layout: Layout) -> None:
    whole = axes.get_yaxis_transform()
    if layout.narrow:
        axes.text(0.0, top + 0.11, f"{name}: {detail}", transform=whole, va="center", color=COLOURS["ink"])
        return
    left = -(axes.bbox.x0 - 2) / axes.bbox.width
    middle = top + height / 2
    axes.text(left, middle - 0.09, name, transform=whole, va="center", color=COLOURS["ink"], weight="bold")
    axes.text(
        left,
        middle + 0.12,
        detail,
        transform=whole,
        va="center",
        color=COLOURS["muted"],
        fontsize=canvas.SMALL,
    )


def _right_end(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return min(max([*finite, 10.0]) * 1.06, MOST_BITS)


def _quantiles(values: Sequence[float]) -> list[float]:
    """Return the values, sorted; of more than `MOST_DOTS` as many quantiles."""
    if len(values) <= MOST_DOTS:
        return sorted(values)
    return [float(value) for value in np.quantile(values, np.linspace(0, 1, MOST_DOTS))]


def _swarm(values: Sequence[float], *, span: float, width_points: float, height_points: float) -> list[float]:
    """Return vertical offsets in points that stack sorted values which would cover each other, from the middle on."""
    bins: dict[int, int] = {}
    ranks = []
    for value in values:
        place = round(value / span * width_points / 7.5)
        ranks.append((place, bins.get(place, 0)))
        bins[place] = bins.get(place, 0) + 1
    step = min(7.2, height_points / max(max(bins.values(), default=1), 1))
    return [((rank + 1) // 2) * step * (-1 if rank % 2 else 1) for _, rank in ranks]


def attacks_chart(report: Report) -> Chart | None:
    """Draw the erased facts extracted from the edited checkpoint after each attack."""
    tested = [row for row in report.attacks if row.greedy_facts.total]
    if not tested:
        return None
    plain = overall(report, "erased")
    rows = []
    if plain is not None and plain.after is not None:
        rows.append(_attack_row("Before the edit", plain.before.greedy_facts, before=True))
        rows.append(_attack_row("After the edit, as written", plain.after.greedy_facts))
    rows += [_attack_row(row.name, row.greedy_facts) for row in tested]
    caption = (
        "Erased facts that greedy decoding extracts from the edited checkpoint after each change of it. A dot away "
        "from zero is a rebound: the edit hid the fact and did not remove it. Bands are exact 95% intervals."
    )
    return canvas.chart(
        "attacks", "Does it come back?", caption, lambda layout: canvas.dot_figure(rows, SHARES, layout)
    )


def _attack_row(name: str, rate: Rate, *, before: bool = False) -> Row:
    return Row(
        label=name, numbers=f"{count(rate)} ({percent(rate.rate)})", marks=(rate_mark(rate, before=before),)
    )
