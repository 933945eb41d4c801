"""Locate the facts in scope, and change nothing: the problem, the locator, what is written of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from dictionaries import Dictionary
from dictionaries.model.sites import Site
from editor.artefacts.output import OutputFolder
from editor.case import Case
from editor.locators import LocatorEntry
from editor.locators.features import FeatureAttribution
from editor.locators.finding import Finding, SiteRow, save_scores, site_rows
from editor.measuring.evaluation_data import PreparedModel, prepare
from editor.model.loading import LoadedModel
from editor.progress import Stages
from editor.report.figures.drawing import save_figure
from editor.report.figures.locating import FIGURES, unit_map
from editor.results.report import Scope
from editor.tuning.build_problem import build_problem


@dataclass(frozen=True, kw_only=True)
class Located:
    """Facts located in a model.

    Attributes:
        locator: Entry of the locator.
        finding: Finding of the locator.
        units: Number of units located.
        scope: Scope of the search.
    """

    locator: LocatorEntry
    finding: Finding
    units: int
    scope: Scope

    @property
    def sites(self) -> list[SiteRow]:
        """A row for each site, shallowest first."""
        return site_rows(self.finding.attribution, self.units)

    @property
    def incomplete(self) -> bool:
        """Whether something was skipped."""
        return bool(self.scope.skipped)


def locate_facts(
    case: Case,
    loaded: LoadedModel,
    dictionaries: Mapping[Site, Dictionary],
    locator: LocatorEntry,
    units: int | None,
    stages: Stages,
) -> Located:
    """Build the problem that an edit would be given, and locate; verification's questions are not asked."""
    prepared = PreparedModel(loaded=loaded, data=prepare(case, loaded))
    problem = build_problem(case, prepared, dictionaries, FeatureAttribution(), stages)
    with stages.stage(f"Locating: {locator.title}"):
        finding = locator.find(problem, case.seed)
    return Located(locator=locator, finding=finding, units=units or finding.units, scope=case.scope)


def write_located(output: OutputFolder, located: Located) -> None:
    """Write locate.json, scores.safetensors and the figures (SVG and PNG)."""
    finding, scope = located.finding, located.scope
    content = {
        "locator": located.locator.name,
        "settings": dict(finding.settings),
        "units": located.units,
        "completeness": finding.attribution.completeness if finding.attribution.total_effect else None,
        "sites": [asdict(row) for row in located.sites],
        "documents": scope.documents,
        "skipped": list(scope.skipped),
        "coverage": list(scope.coverage),
        **{name: list(table) for name, table in finding.tables.items()},
    }
    output.write_text("locate.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
    save_scores(finding.attribution, output.path / "scores.safetensors")
    title = f"Where the facts sit: {located.locator.title}"
    save_figure(unit_map(finding.attribution, located.units, title), output.path, "units")
    for name, data in finding.figures.items():
        save_figure(FIGURES[name](data), output.path, name)
