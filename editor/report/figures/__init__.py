"""The report's figures, as inline SVG that follows the page's light and dark."""

from editor.report.figures.audit import (
    exposure_chart,
    families_chart,
    subjects_chart,
    tries_chart,
    types_chart,
)
from editor.report.figures.canvas import Chart
from editor.report.figures.edit import layers_chart, search_chart
from editor.report.figures.leakage import attacks_chart, bits_chart, leakage_chart
from editor.report.figures.utility import collateral_chart, controls_chart
from editor.results.report import Report

CHARTS = (
    leakage_chart,
    bits_chart,
    types_chart,
    families_chart,
    tries_chart,
    subjects_chart,
    exposure_chart,
    collateral_chart,
    controls_chart,
    attacks_chart,
    layers_chart,
    search_chart,
)


def draw_charts(report: Report) -> dict[str, Chart]:
    """Draw every figure that the report has values for; return them by name."""
    charts = (draw(report) for draw in CHARTS)
    return {chart.name: chart for chart in charts if chart is not None}


__all__ = ["Chart", "draw_charts"]
