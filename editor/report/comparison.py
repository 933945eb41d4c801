"""The page of a comparison, and its table for the terminal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from editor import formatting
from editor.comparing.conclusion import SIGNIFICANT, p_text
from editor.comparing.statistics import by_arm
from editor.report.comparison_text import (
    attack_column,
    attacks_of,
    before_any_edit,
    facts_of,
    how_it_was_done,
    limits,
    rows_at,
    seeds_text,
)
from editor.report.figures.comparing import comparison_charts
from editor.report.render import environment, stylesheet
from editor.results.comparison import (
    POINTS,
    ComparedMeasure,
    Comparison,
    Cost,
    Interval,
    PairedTest,
    PointName,
    SummaryRow,
)

COMPARISON_HTML = "comparison.html"
SHOWN: tuple[PointName, ...] = ("collateral", "quarter", "policy", "norm")
"""Operating points in the order of the page."""
TOLD: tuple[PointName, ...] = ("collateral", "policy")
"""Operating points of the terminal's table."""
MEASURES: dict[ComparedMeasure, str] = {
    "gen": "Gen, points",
    "exposed": "Exposed, points",
    "bits": "Bits",
}


def render_comparison(
    comparison: Comparison, costs: Sequence[Cost], described: Mapping[str, str], started: str | None = None
) -> str:
    """Render the page: one file, no scripts, light and dark. The same values give the same bytes.

    Args:
        comparison: all that was measured of the arms.
        costs: costs of each run, none where they were not measured.
        described: arm -> what it does, in a sentence.
        started: time at which the run began, as the manifest says it; None leaves it out.
    """
    made = environment()
    figures = comparison_charts(comparison)
    return made.get_template("comparison.html.j2").render(
        comparison=comparison,
        started=started,
        seeds=seeds_text(comparison),
        style=stylesheet() + Markup(made.get_template("comparison.css.j2").render()),
        sections=_sections(figures, costs, comparison),
        points=[(_heading(point), rows) for point in SHOWN if (rows := rows_at(comparison, point))],
        tests=[(_heading(point), found) for point in SHOWN if (found := _tests(comparison, point))],
        measures=MEASURES,
        arms=[(arm, runs[0].family, described.get(arm, "")) for arm, runs in by_arm(comparison.arms).items()],
        costs=_costs(costs),
        machine=_machine(costs),
        method=how_it_was_done(comparison),
        limits=limits(comparison),
        attacks=attacks_of(comparison),
        attacked=_attacked(comparison),
        forgetting=any(row.forget_quality for row in comparison.summary),
        attack_column=attack_column,
        met=met_text,
        before=before_any_edit(comparison),
        facts=len(facts_of(comparison)),
        figures=figures,
        ends=_ends,
        difference=_difference,
        bare_p=lambda p: p_text(p).removeprefix("p ").removeprefix("= "),
        significant=SIGNIFICANT,
    )


def met_text(row: SummaryRow) -> str:
    """Return in how many seeds the policy is met, and whether all of it was tested."""
    return f"{row.meets_policy} of {row.seeds}{', not all tested' if row.untested else ''}"


def comparison_table(comparison: Comparison) -> Table:
    """Return a table of every arm at the same collateral and tuned to the policy, for the terminal."""
    table = Table(caption=before_any_edit(comparison), caption_justify="left", title_justify="left")
    table.add_column("Arm")
    for name in ("Gen", "Exposed", "Loc", "ΔPPL", "Policy met"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in TOLD:
        table.add_section()
        table.add_row(Text(_heading(point), style="bold"))
        for row in rows_at(comparison, point):
            table.add_row(
                Text(row.arm, style="bold green" if row.arm == comparison.reference else ""),
                formatting.percent(row.gen.mean),
                formatting.percent(row.exposed.mean),
                "–" if row.loc is None else formatting.percent(row.loc.mean),
                formatting.percent(row.perplexity_rise.mean, signed=True),
                met_text(row),
            )
    return table


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """What an arm took, a mean over its seeds, in seconds; memory is the most of them."""

    arm: str
    runs: int
    locating: float
    dictionaries: float
    tuning: float
    fitting: float
    measuring: float
    peak_mib: float


def _costs(costs: Sequence[Cost]) -> list[CostRow]:
    def mean(rows: Sequence[Cost], read: Callable[[Cost], float]) -> float:
        return float(np.mean([read(row) for row in rows]))

    arms: dict[str, list[Cost]] = {}
    for cost in costs:
        arms.setdefault(cost.arm, []).append(cost)
    return [
        CostRow(
            arm=arm,
            runs=len(rows),
            locating=mean(rows, lambda row: row.locating_s),
            dictionaries=mean(rows, lambda row: row.dictionaries_s),
            tuning=mean(rows, lambda row: row.tuning_s),
            fitting=mean(rows, lambda row: row.fitting_s),
            measuring=mean(rows, lambda row: row.measuring_s),
            peak_mib=max(row.peak_mib for row in rows),
        )
        for arm, rows in arms.items()
    ]


def _machine(costs: Sequence[Cost]) -> str:
    """Say 'cpu, 2 runs at a time, 1 thread each', for every way in which runs were made."""
    ways = dict.fromkeys((cost.device, cost.processes, cost.threads) for cost in costs)
    return "; ".join(
        f"{device}, {formatting.plural(processes, 'run')} at a time, {formatting.plural(threads, 'thread')} each"
        for device, processes, threads in ways
    )


def _tests(comparison: Comparison, point: PointName) -> dict[str, dict[ComparedMeasure, PairedTest]]:
    """Return the tests at a point: arm -> measure -> test."""
    found: dict[str, dict[ComparedMeasure, PairedTest]] = {}
    for test in comparison.tests:
        if test.point == point:
            found.setdefault(test.arm, {})[test.measure] = test
    return found


def _sections(
    figures: Mapping[str, object], costs: Sequence[Cost], comparison: Comparison
) -> list[tuple[str, str]]:
    """Return anchor and heading of every section that the page has."""
    every = [
        ("outcomes", "Outcomes", True),
        ("attacks", "After attacks", _attacked(comparison)),
        ("trade-off", "Leakage and collateral", True),
        ("where", "Where the arms edited", {"modules", "neurons", "overlap"} & figures.keys()),
        ("tests", "Paired tests", comparison.tests),
        ("costs", "Costs", costs),
        ("arms", "The arms", True),
        ("method", "How it was done", True),
        ("limits", "Limits", True),
        ("scope", "Scope and coverage", True),
        ("policy", "Policy text", True),
        ("again", "Run it again", True),
    ]
    return [(anchor, heading) for anchor, heading, present in every if present]


def _attacked(comparison: Comparison) -> list[tuple[str, list[SummaryRow]]]:
    """Return heading and rows of the points at which edits were attacked."""
    every = ((point, [row for row in rows_at(comparison, point) if row.attacks]) for point in SHOWN)
    return [(_heading(point), rows) for point, rows in every if rows]


def _ends(value: Interval | None, *, signed: bool = False) -> str:
    """Write an interval: '93–99.5%', '100%' where both ends are the same, nothing where nothing was tested."""
    if value is None:
        return ""
    low, high = (formatting.percent(end, signed=signed) for end in (value.low, value.high))
    if low == high:
        return low
    return f"{low.removesuffix('%')}{' to ' if signed else '–'}{high}"


def _heading(point: PointName) -> str:
    """Return the words of a point with a capital."""
    return POINTS[point][:1].upper() + POINTS[point][1:]


def _difference(test: PairedTest, value: float) -> str:
    """Write a difference in points of a hundred, or in bits, with a sign."""
    text = f"{value if test.measure == 'bits' else 100 * value:+.1f}"
    return text.replace("-", "\N{MINUS SIGN}").replace("+0.0", "0.0")
