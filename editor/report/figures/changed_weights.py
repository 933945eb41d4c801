"""Figures of where each arm changed the weights: by layer and module, and by layer and neuron."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from editor.comparing.statistics import by_arm
from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, Layout
from editor.report.figures.cells import bare, binned, draw_boxes, draw_cells
from editor.report.figures.drawing import Drawing
from editor.results.comparison import ArmRun, Comparison

IN_LAYER = re.compile(r"^.*?\.(?P<layer>\d+)\.(?P<module>.+)$")
GAP = 0.6
"""Gap between two modules, in columns."""
MOST_PARTED = 16
"""Number of layers up to which lines part them."""
MOST_CELLS = 6_000
MOST_COLUMNS, LEAST_COLUMNS = 80, 24
"""Number of cells that a layer's neurons are drawn in: fewer the more layers and arms there are."""


def modules_drawing(comparison: Comparison) -> Drawing | None:
    """Draw every arm as a row, every module as a block of its layers."""
    shares = {arm: _module_shares(runs) for arm, runs in by_arm(comparison.arms).items()}
    shares = {arm: cells for arm, cells in shares.items() if cells}
    if not shares:
        return None
    caption = (
        "Every arm tuned to the policy, every module a block with the first layer at its left. The stronger the "
        "colour, the larger the cell's share of the arm's whole change (of ‖ΔW‖², its root is drawn), a mean over "
        "seeds. A row says where an arm's change went and not how large it was."
    )
    return Drawing(
        name="modules",
        title="Where the weights changed, by module and layer",
        caption=caption,
        draw=lambda layout: _draw_modules(shares, layout),
    )


def _module_shares(runs: Sequence[ArmRun]) -> dict[tuple[str, int], float]:
    """Return (module, layer) -> share of ‖ΔW‖², a mean over seeds; what is in no layer counts as layer 0."""
    found: dict[tuple[str, int], float] = defaultdict(float)
    for run in runs:
        whole = math.fsum(norm**2 for norm in run.editing.modules.values())
        for name, norm in run.editing.modules.items():
            if norm:
                found[module_and_layer(name)] += norm**2 / whole / len(runs)
    return dict(found)


def module_and_layer(parameter: str) -> tuple[str, int]:
    """Return a parameter's module and layer: 'transformer.h.3.mlp.c_proj.weight' is ('mlp.c_proj', 3)."""
    name = parameter.removesuffix(".weight").removesuffix(".bias")
    match = IN_LAYER.match(name)
    if match is None:
        return name.rsplit(".", 1)[-1], 0
    return match["module"].replace("self_attn.", "attn."), int(match["layer"])


def _draw_modules(shares: Mapping[str, Mapping[tuple[str, int], float]], layout: Layout) -> Figure:
    layers: dict[str, int] = defaultdict(int)
    for cells in shares.values():
        for module, layer in cells:
            layers[module] = max(layers[module], layer + 1)
    modules = sorted(layers)
    step, head = (0.42, 0.75) if layout.narrow else (0.27, 0.45)
    label = 0.1 if layout.narrow else 0.25 + max(map(len, shares)) * canvas.CHARACTER_INCHES
    height = step * len(shares)
    figure = canvas.new_figure(layout.width, height + head + 0.5)
    axes = bare(canvas.place(figure, label, 0.45, layout.width - label - 0.25, height))
    columns = sum(layers.values()) + GAP * (len(modules) - 1)
    axes.set_xlim(0, columns)
    axes.set_ylim(len(shares), 0)
    left, ticks = 0.0, []
    for module in modules:
        _draw_module(
            axes, module, [_row(cells, module, layers[module]) for cells in shares.values()], left, layout
        )
        ticks += [(left + 0.5, "0"), (left + layers[module] - 0.5, str(layers[module] - 1))][: layers[module]]
        left += layers[module] + GAP
    axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.set_yticks([])
    axes.set_xlabel("layer", color=COLOURS["muted"], fontsize=canvas.SMALL, labelpad=1)
    for row, arm in enumerate(shares):
        _arm_name(axes, arm, row, layout)
    return figure


def _row(cells: Mapping[tuple[str, int], float], module: str, layers: int) -> list[float]:
    return [math.sqrt(cells.get((module, layer), 0.0)) for layer in range(layers)]


def _draw_module(axes: Axes, module: str, rows: list[list[float]], left: float, layout: Layout) -> None:
    """Draw a block of cells on a faint ground, and its name above."""
    above, share = (0.45, 0.5) if layout.narrow else (0.08, 0.84)
    width = len(rows[0])
    ground = [(left, row + above, left + width, row + above + share) for row in range(len(rows))]
    draw_boxes(axes, ground, "rule", 0.45)
    values = np.array(rows)
    for row in range(len(rows)):
        draw_cells(axes, values[row : row + 1], left=left, top=row + above, height=share, share=1.0)
    if width <= MOST_PARTED:
        axes.vlines(left + np.arange(1, width), 0, len(rows), color=COLOURS["paper"], linewidth=1.0)
    axes.text(
        left if layout.narrow else left + width / 2,
        -0.1,
        module,
        ha="left" if layout.narrow else "center",
        va="bottom",
        rotation=30 if layout.narrow else 0,
        color=COLOURS["ink"],
        fontsize=canvas.SMALL,
    )


def _arm_name(axes: Axes, arm: str, row: int, layout: Layout) -> None:
    whole = axes.get_yaxis_transform()
    at, middle = (0.0, row + 0.22) if layout.narrow else (-10 / axes.bbox.width, row + 0.5)
    align = "left" if layout.narrow else "right"
    axes.text(at, middle, arm, transform=whole, ha=align, va="center", color=COLOURS["ink"])


def neurons_drawing(comparison: Comparison) -> Drawing | None:
    """Draw a panel for each arm: every layer a row, its neurons from left to right."""
    arms = by_arm(comparison.arms)
    norms = {arm: _mean_norms(runs) for arm, runs in arms.items()}
    norms = {arm: layers for arm, layers in norms.items() if any(norm.any() for norm in layers.values())}
    if not norms:
        return None
    layers = max(map(len, norms.values()))
    columns = min(MOST_COLUMNS, max(LEAST_COLUMNS, MOST_CELLS // (layers * len(norms))))
    missing = [arm for arm in arms if arm not in norms]
    without = f" No neuron's weights were changed by {', '.join(missing)}." if missing else ""
    caption = (
        "Every arm tuned to the policy. A row is an MLP layer, the first at the top; its neurons stand from left to "
        "right, several to a cell, of which the most changed is drawn. The stronger the colour, the larger the change "
        f"of that neuron's weights beside the arm's largest (its root is drawn), a mean over seeds.{without}"
    )
    cells = {arm: _cells(own, columns) for arm, own in norms.items()}
    return Drawing(
        name="neurons",
        title="Where the weights changed, by layer and neuron",
        caption=caption,
        draw=lambda layout: _draw_neurons(cells, layout),
    )


def _mean_norms(runs: Sequence[ArmRun]) -> dict[str, NDArray[np.float64]]:
    """Return layer -> the norm of the change of each neuron, a mean over seeds; layers in the order of the model."""
    every: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for run in runs:
        for layer, norms in run.editing.neurons.items():
            every[layer].append(norms)
    ordered = sorted(every, key=lambda layer: int(layer.rsplit(".", 1)[-1]))
    return {layer: np.sum(every[layer], axis=0) / len(runs) for layer in ordered}


def _cells(norms: Mapping[str, NDArray[np.float64]], columns: int) -> NDArray[np.float64]:
    """Return the root of the highest norm in each cell over the highest of all, (layers, columns)."""
    cells = np.array([binned(norm, columns) for norm in norms.values()])
    shades: NDArray[np.float64] = np.sqrt(cells / cells.max())
    return shades


def _draw_neurons(cells: Mapping[str, NDArray[np.float64]], layout: Layout) -> Figure:
    across = 1 if layout.narrow else 3
    layers = max(map(len, cells.values()))
    down = math.ceil(len(cells) / across)
    tall = min(max(0.15 * layers, 0.45), 1.8)
    gap, head = 0.45, 0.26
    wide = (layout.width - 0.4 - gap * (across - 1)) / across
    figure = canvas.new_figure(layout.width, down * (tall + head + 0.22))
    whole = down * (tall + head + 0.22)
    for index, (arm, shades) in enumerate(cells.items()):
        row, column = divmod(index, across)
        bottom = whole - row * (tall + head + 0.22) - head - tall
        axes = bare(canvas.place(figure, 0.3 + column * (wide + gap), bottom, wide, tall))
        _draw_panel(axes, arm, shades)
    return figure


def _draw_panel(axes: Axes, arm: str, shades: NDArray[np.float64]) -> None:
    layers, columns = shades.shape
    axes.set_xlim(0, columns)
    axes.set_ylim(layers, 0)
    share = 0.86 if layers <= 16 else 1.0
    margin = (1 - share) / 2
    draw_boxes(axes, [(0, row + margin, columns, row + 1 - margin) for row in range(layers)], "rule", 0.45)
    draw_cells(axes, shades, share=share)
    axes.set_xticks([])
    ticks = sorted({0, layers - 1})
    axes.set_yticks([row + 0.5 for row in ticks], [str(row) for row in ticks])
    axes.text(0, 1.0 + 4 / axes.bbox.height, arm, transform=axes.transAxes, va="bottom", color=COLOURS["ink"])
