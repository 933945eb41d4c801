"""`expunge locate`: where in a model the facts sit, without an edit."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.names import LOCATOR_NAMES, NameIn, SiteName
from editor.cli.options import OVERWRITE, case_options, open_case_from
from editor.cli.stages import make_stages
from policies.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from editor.artefacts.output import OutputFolder
    from editor.case import Case
    from editor.locate import Finding, SiteRow
    from editor.locators.problem import EditProblem
    from editor.results.report import Scope

PLACES_SHOWN = 10


@click.command()
@click.argument("model")
@case_options
@click.option("--locator", type=NameIn("locator", LOCATOR_NAMES), required=True, help="How to look.")
@click.option(
    "--units",
    type=click.IntRange(min=1),
    help="Located, over all layers.  [default: 100; for nodes those that exact patching confirms, for mask those that "
    "keep more of their weights than the whole model, for mlp the layers over which the probes rise]",
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="For features: dictionaries, or a hub name.  [default: Gated SAEs of mlp_out, trained on the corpus]",
)
@click.option("--site", type=SiteName(), help="Such as mlp_out.3, where --dictionary does not say.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@OVERWRITE
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@click.option("--seed", type=int, help="Of everything random.  [default: the policy's]")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.pass_context
def locate(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Find the units of MODEL that carry the facts in scope, and change nothing.

    Writes locate.json, scores.safetensors and figures (SVG and PNG) into the output folder. Without --subject or
    --request, everybody found is in scope. Only questions that an edit may see are asked: verification's are not.
    What of the corpus was not wholly scanned is named; the exit code is 4 then.
    """
    from editor.artefacts.output import OutputFolder
    from editor.locate import LOCATORS, site_rows
    from editor.measuring.summaries import versions
    from policies import load_policy

    entry = LOCATORS[options["locator"]]
    if options["dictionary"] is not None and not entry.needs_dictionary:
        raise click.UsageError(f"--dictionary has no meaning for --locator {options['locator']}.")
    policy = load_policy(options["policy_name"])
    seed = policy.seed if options["seed"] is None else options["seed"]
    stages = make_stages(quiet=options["quiet"])
    with OutputFolder(
        options["output"],
        overwrite=options["overwrite"],
        inputs={"model": model, "policy": policy.digest},
        versions=versions(),
        seed=seed,
    ) as output:
        case, problem = _pose(model, options, output)
        with stages.stage(f"Locating: {entry.title}"):
            finding = entry.find(problem, seed)
        units = options["units"] or finding.units
        _write(output, options["locator"], case.scope, finding, units)
    _print(entry.title, finding, site_rows(finding.attribution, units))
    click.echo(f"Scores and figures: {options['output']}")
    for line in _skipped(case.scope):
        click.echo(line)
    if case.incomplete:
        ctx.exit(ExitCode.INCOMPLETE)


def _pose(model: str, options: dict[str, Any], output: "OutputFolder") -> "tuple[Case, EditProblem]":
    """The case, and the problem that an edit would be given."""
    from editor.dictionary_supply import NO_DICTIONARIES, supply_dictionaries
    from editor.locate import LOCATORS
    from editor.locators.features import FeatureAttribution
    from editor.measuring.evaluation_data import prepare
    from editor.model.loading import load_model
    from editor.tuning.build_problem import PreparedModel, build_problem
    from policies import load_policy

    stages = make_stages(quiet=options["quiet"])
    with stages.stage("Loading the model"):
        loaded = load_model(model, device=options["device"])
    case = open_case_from(options, load_policy(options["policy_name"]), stages)
    supply = NO_DICTIONARIES
    if LOCATORS[options["locator"]].needs_dictionary:
        supply = supply_dictionaries(
            case, loaded, options["dictionary"], output.path, stages, site=options["site"]
        )
    prepared = PreparedModel(loaded=loaded, material=prepare(case, loaded))
    return case, build_problem(case, prepared, supply.dictionaries, FeatureAttribution(), stages)


def _write(output: "OutputFolder", locator: str, scope: "Scope", finding: "Finding", units: int) -> None:
    from editor.locate import LOCATORS, save_scores, site_rows
    from editor.report.figures.locating import unit_map
    from editor.report.figures.style import save_figure

    content = {
        "locator": locator,
        "settings": dict(finding.settings),
        "units": units,
        "completeness": finding.attribution.completeness if finding.attribution.total_effect else None,
        "sites": [asdict(row) for row in site_rows(finding.attribution, units)],
        "documents": scope.documents,
        "skipped": list(scope.skipped),
        "coverage": list(scope.coverage),
        **{name: list(table) for name, table in finding.tables.items()},
    }
    output.write_text("locate.json", json.dumps(content, indent=2, sort_keys=True) + "\n")
    save_scores(finding.attribution, output.path / "scores.safetensors")
    title = f"Where the facts sit: {LOCATORS[locator].title}"
    save_figure(unit_map(finding.attribution, units, title), output.path, "units")
    for name, draw in finding.figures.items():
        save_figure(draw(), output.path, name)


def _skipped(scope: "Scope") -> "Iterator[str]":
    """What of the corpus was not wholly scanned, and why; nothing where everything was."""
    if scope.skipped:
        yield f"{len(scope.skipped)} of {scope.documents} documents were not wholly scanned:"
        yield from (f"  {line}" for line in scope.skipped[:PLACES_SHOWN])
    if len(scope.skipped) > PLACES_SHOWN:
        yield f"  and {len(scope.skipped) - PLACES_SHOWN} more, in locate.json"


def _print(title: str, finding: "Finding", rows: "list[SiteRow]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=title,
        title_justify="left",
        caption="Share: of the located units' scores. Best units: by score, the highest first.",
        caption_justify="left",
    )
    for name in ("site", "units", "located", "share"):
        table.add_column(name, justify="left" if name == "site" else "right", no_wrap=True)
    table.add_column("best units")
    for row in rows:
        best = ", ".join(map(str, row.top_units)) + (", ..." if row.units > len(row.top_units) else "")
        table.add_row(row.site, f"{row.width:,}", f"{row.units:,}", f"{row.share:.1%}", best)
    console = Console()
    console.print(table)
    for sentence in finding.sentences:
        console.print(sentence, soft_wrap=True)
    if "probes" in finding.tables:
        console.print(_probe_table(finding))


def _probe_table(finding: "Finding") -> Any:
    """Validation F1 by layer and k."""
    from rich.table import Table

    probes = finding.tables["probes"]
    sizes = sorted({row["k"] for row in probes})
    table = Table(title="\nF1 on the validation split, by k", title_justify="left", box=None, padding=(0, 1))
    table.add_column("site", no_wrap=True)
    for k in sizes:
        table.add_column(str(k), justify="right", no_wrap=True)
    for site in dict.fromkeys(row["site"] for row in probes):
        scores = {row["k"]: row["validation"]["f1"] for row in probes if row["site"] == site}
        table.add_row(site, *(f"{scores[k]:.2f}" if k in scores else "-" for k in sizes))
    return table
