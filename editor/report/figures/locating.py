"""Figures of what was located: a map of layers by units, and how well sparse probes do."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from editor.locators.features import Attribution
from editor.locators.sparse_probing import ProbeStudy
from editor.report.figures.canvas import COLOURS, new_figure, on_white
from editor.report.figures.cells import binned
from editor.report.figures.circuits import faithfulness_figure
from editor.report.figures.drawing import SERIES, WIDTH, add_axes, series, titled

COLUMNS = 240
"""Number of cells a site is drawn in: wider sites show the highest score of neighbouring units."""
SHADES = LinearSegmentedColormap.from_list("scores", ["#f4f6f8", "#8db4dc", "#0b5fb0", "#072c52"])


@on_white()
def unit_map(attribution: Attribution, units: int, title: str) -> Figure:
    """Draw every site as a row of its units, darker where |score before refining| is high; located ones are marked."""
    sites = sorted(attribution.raw)
    located = attribution.top(units)
    cells = np.stack([binned(attribution.raw[site].abs().numpy(), COLUMNS) for site in sites])
    highest = cells.max() or 1.0
    step = 0.34 if len(sites) <= 16 else 0.2
    height = 1.15 + step * len(sites)
    figure = new_figure(WIDTH, height)
    axes = figure.add_axes((0.14, 0.62 / height, 0.83, step * len(sites) / height))
    axes.imshow(
        np.sqrt(cells / highest),
        aspect="auto",
        cmap=SHADES,
        vmin=0,
        vmax=1,
        extent=(0, 1, len(sites), 0),
        interpolation="nearest",
    )
    for row, site in enumerate(sites):
        places = (located[site].numpy() + 0.5) / len(attribution.raw[site])
        axes.plot(
            places,
            np.full(len(places), row + 0.5),
            "|",
            color=COLOURS["before"],
            markersize=9,
            markeredgewidth=1.1,
        )
        axes.axhline(row, color="white", linewidth=1.2)
    axes.set_yticks([row + 0.5 for row in range(len(sites))], [str(site) for site in sites])
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.tick_params(colors=COLOURS["muted"], labelsize=9, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(
        "place of the unit in its site; shade: square root of |score|; marks: located",
        color=COLOURS["muted"],
        fontsize=9.5,
    )
    titled(axes, title)
    return figure


@on_white()
def probe_figure(study: ProbeStudy) -> Figure:
    """Draw validation F1 by k, a line a layer; the chosen probe ringed, its controls on the test split dotted."""
    sites = sorted({row.site for row in study.rows})
    figure = new_figure(WIDTH, 4.2)
    axes = add_axes(figure, 0.1, 0.14, 0.87, 0.72)
    for index, site in enumerate(sites):
        rows = sorted((row for row in study.rows if row.site == site), key=lambda row: row.k)
        colour, marker = series(index)
        style = "-" if index < len(SERIES) else "--"
        axes.plot(
            [row.k for row in rows],
            [row.validation.f1 for row in rows],
            f"{marker}{style}",
            color=colour,
            label=str(site),
            markersize=5,
        )
    chosen = study.chosen
    axes.plot(chosen.k, chosen.validation.f1, "o", markersize=13, fillstyle="none", color=COLOURS["ink"])
    for name, score in (("random basis, test", study.rotated), ("random neurons, test", study.random)):
        axes.axhline(score.f1, color=COLOURS["rule"], linestyle=":", zorder=0)
        axes.text(1.0, score.f1, f"{name}, k = {chosen.k}", color=COLOURS["muted"], fontsize=8.5, va="bottom")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({row.k for row in study.rows}))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("k: neurons that the probe reads", color=COLOURS["muted"])
    axes.set_ylabel("F1 on the validation split", color=COLOURS["muted"])
    titled(axes, f"Sparse probes by layer; ringed: chosen, F1 {study.test.f1:.2f} on the test split")
    axes.legend(frameon=False, labelcolor=COLOURS["ink"], fontsize=9, ncols=1 + len(sites) // 9)
    return figure


FIGURES: Mapping[str, Callable[[Any], Figure]] = {
    "probe-f1": probe_figure,
    "faithfulness": faithfulness_figure,
}
"""Figures of single locators: name -> what draws it from the `figures` of a `Finding`."""
