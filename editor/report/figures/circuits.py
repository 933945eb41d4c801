"""Figures of circuits: how much of the model's work circuits of growing size do."""

from matplotlib.figure import Figure

from editor.locators.faithfulness import Faithfulness
from editor.report.figures.canvas import COLOURS, new_figure, on_white
from editor.report.figures.drawing import WIDTH, add_axes, series, titled


@on_white()
def faithfulness_figure(curve: Faithfulness) -> Figure:
    """Draw faithfulness over the share of nodes."""
    figure = new_figure(WIDTH, 3.4)
    axes = add_axes(figure, 0.1, 0.17, 0.87, 0.68)
    colour, marker = series(0)
    axes.axhline(1.0, color=COLOURS["rule"], linestyle="--", zorder=0)
    axes.plot((0.0, *curve.sizes), (0.0, *curve.values), f"{marker}-", color=colour, markersize=5)
    axes.set_xlabel("share of all heads and MLPs in the circuit, best first", color=COLOURS["muted"])
    axes.set_ylabel("faithfulness", color=COLOURS["muted"])
    titled(axes, f"What circuits of growing size do alone: CPR {curve.cpr:.2f}, CMD {curve.cmd:.2f}")
    return figure
