"""Figures of circuits: how much of the model's work circuits of growing size do."""

from matplotlib.figure import Figure

from editor.locators.faithfulness import Faithfulness
from editor.report.figures.style import MUTED, RULE, SERIES, new_file_figure, quiet, titled


def faithfulness_figure(curve: Faithfulness) -> Figure:
    """Draw faithfulness over the share of nodes."""
    figure = new_file_figure(3.4)
    axes = quiet(figure.add_axes((0.1, 0.17, 0.87, 0.68)))
    colour, marker = SERIES[0]
    axes.axhline(1.0, color=RULE, linestyle="--", zorder=0)
    axes.plot((0.0, *curve.sizes), (0.0, *curve.values), f"{marker}-", color=colour, markersize=5)
    axes.set_xlabel("share of all heads and MLPs in the circuit, best first", color=MUTED)
    axes.set_ylabel("faithfulness", color=MUTED)
    titled(axes, f"What circuits of growing size do alone: CPR {curve.cpr:.2f}, CMD {curve.cmd:.2f}")
    return figure
