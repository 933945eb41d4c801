"""The report as one HTML file: no external assets, no scripts, light and dark, for the screen and for paper."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from editor import formatting
from editor.report import forgetting, summary
from editor.report.explaining import TERMS, disagreements, explained
from editor.report.figures import draw_charts
from editor.results.report import FactRow, Report

MOST_FACTS = 200
MOST_ROWS = 12
"""Rows of a table from which on it is folded until it is opened, and not printed."""


def render_html(report: Report, started: str | None = None) -> str:
    """Render a report of any kind; parts that it does not have are left out.

    The same report and the same time give the same bytes.

    Args:
        report: what was measured.
        started: time at which the run began, as the manifest says it; None leaves it out.
    """
    figures = draw_charts(report)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            started=started,
            headline=summary.headline(report),
            certainty=formatting.certainty(summary.leaked(report)),
            terms=TERMS,
            disagreements=disagreements(report),
            style=stylesheet(),
            title=summary.title(report),
            outcome=summary.outcome(report),
            tone=_tone(report),
            key_numbers=summary.key_numbers(report),
            sections=_sections(report, figures),
            groups=summary.group_rows(report),
            erased=summary.group_rows(report, "erased"),
            facts=_most_exposed(report),
            forgetting=_forgotten(report),
            edited=report.model_after is not None,
            figures=figures,
        )
    )


@cache
def environment() -> Environment:
    """Return the templates, with what formats numbers as filters."""
    environment = Environment(
        loader=PackageLoader("editor.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    names = ("bits", "count", "interval", "moment", "number", "percent", "plural", "share_of", "words")
    environment.filters |= {name: getattr(formatting, name) for name in names}
    environment.filters |= {"svg": Markup, "limit": summary.limit_text, "measured": summary.measured_text}
    environment.filters |= {"criterion_name": summary.criterion_name, "explained": explained}
    environment.globals["MOST_ROWS"] = MOST_ROWS
    environment.globals["kept_edit"] = summary.KEPT_EDIT
    return environment


def stylesheet() -> Markup:
    """Return the style that every page has."""
    loader = environment().loader
    assert loader is not None
    return Markup(loader.get_source(environment(), "style.css")[0])


def _forgotten(report: Report) -> tuple[tuple[str, str], ...]:
    found = report.forget_quality
    return tuple(forgetting.rows(found, report.scope.facts_in_scope)) if found else ()


def _tone(report: Report) -> str:
    if report.gate.waived and report.exit_code == 0:
        return "open"
    return {0: "good", 1: "bad", 3: "bad"}.get(report.exit_code, "open")


def _most_exposed(report: Report) -> tuple[FactRow, ...]:
    """Return the facts that still leak first, then by bits, at most `MOST_FACTS`."""

    def exposure(row: FactRow) -> tuple[bool, float, str]:
        after = row.worst_case_bits_after
        leaked = row.leaked_before if row.leaked_after is None else row.leaked_after
        return not leaked, row.worst_case_bits_before if after is None else after, row.fact

    return tuple(sorted(report.facts, key=exposure)[:MOST_FACTS])


def _sections(report: Report, figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return anchor and heading of every section that the report has, in the order of the page."""
    every: list[tuple[str, str, object]] = [
        ("residual-risk", "Residual risk", report.residual_risk),
        ("criteria", "Policy criteria", report.criteria),
        ("leakage", "Leakage", report.groups),
        ("types", "By type", report.evidence),
        ("wordings", "By wording, decoding and tries", report.evidence),
        ("exposed-people", "By person", report.evidence and "subjects" in figures),
        ("baseline", "Against the baseline", report.evidence and report.evidence.baseline),
        ("other-evidence", "By other means", report.evidence),
        ("cases", "Requests", report.cases),
        ("subjects", "People", report.subjects),
        ("facts", "Facts", report.facts),
        ("forget-quality", "Forget quality", report.forget_quality),
        (
            "collateral",
            "What the edit cost" if report.model_after else "Perplexity",
            report.perplexities or "collateral" in figures,
        ),
        ("controls", "Controls", report.controls),
        ("attacks", "Attacks", report.attacks),
        ("integrity", "Integrity", report.integrity),
        ("dictionaries", "Dictionaries", report.dictionaries),
        ("edit", "The edit", report.edit),
        ("search", "Strength search", report.trials),
        ("scope", "Scope and coverage", True),
        ("threat-model", "Threat model", report.threat_model),
        ("policy", "Policy text", True),
        ("again", "Run it again", True),
    ]
    return [(anchor, heading) for anchor, heading, present in every if present]
