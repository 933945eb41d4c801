"""What a locator finds, and how it is told: rows for tables, scores on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from editor.locators.features import Attribution

TOP_UNITS = 12
UNITS = 100
"""Units that are located where a locator makes no choice of its own."""

TableRow = Mapping[str, Any]
"""One line of a table: column name -> number or text."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Finding of a locator.

    Attributes:
        attribution: Scores of units by site; the best of them are located.
        settings: Settings of the locator.
        units: Number of units located where nobody says.
        sentences: Further sentences for people.
        tables: Rows by the table's name, for locate.json.
        figures: Value that each figure of `editor.report.figures.locating.FIGURES` is drawn from, by its name.
    """

    attribution: Attribution = field(repr=False)
    settings: Mapping[str, float | str]
    units: int = UNITS
    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Sequence[TableRow]] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class SiteRow:
    """Units located at one site.

    Attributes:
        site: Name of the site.
        width: Number of units of the site.
        units: Number of units located there.
        share: Share of all located units' scores that these have, 0 to 1.
        top_units: Best units of the site.
        top_scores: Scores of the best units.
    """

    site: str
    width: int
    units: int
    share: float
    top_units: tuple[int, ...]
    top_scores: tuple[float, ...]


def site_rows(attribution: Attribution, units: int) -> list[SiteRow]:
    """Return a row for each site, shallowest first, for the `units` best units over all of them."""
    located = attribution.top(units)
    sums = {site: float(attribution.scores[site][found].sum()) for site, found in located.items()}
    total = sum(sums.values())
    return [
        SiteRow(
            site=str(site),
            width=len(attribution.scores[site]),
            units=len(located[site]),
            share=sums[site] / total if total else 0.0,
            top_units=tuple(located[site][:TOP_UNITS].tolist()),
            top_scores=tuple(attribution.scores[site][located[site][:TOP_UNITS]].tolist()),
        )
        for site in sorted(located)
    ]


def save_scores(attribution: Attribution, path: Path) -> None:
    """Write every unit's score as safetensors: `mlp_hidden.3.scores` ranks, `mlp_hidden.3.raw` is before refining."""
    tensors = {f"{site}.scores": score.cpu().contiguous() for site, score in attribution.scores.items()}
    tensors |= {f"{site}.raw": score.cpu().contiguous() for site, score in attribution.raw.items()}
    save_file(tensors, path)
