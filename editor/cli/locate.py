"""`expunge locate`: where in a model the facts sit, without an edit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import NameIn
from editor.cli.options import DEVICE, JSON, OUTPUT, OVERWRITE, QUIET, SEED, SITE, build, case_options
from editor.locators import LOCATORS
from policies.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from editor.locate import Located
    from editor.locators.finding import Finding
    from editor.results.report import Scope

PLACES_SHOWN = 10


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--locator", type=NameIn("locator", tuple(LOCATORS)), required=True, help="Locator to look with."
)
@click.option(
    "--units",
    type=click.IntRange(min=1),
    help="Number of units located, over all layers.  [default: 100; for nodes those that exact patching confirms, for "
    "mask those that keep more of their weights than the whole model, for mlp the layers over which the probes rise]",
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="Dictionaries for features, or a hub name.  [default: Gated SAEs of mlp_out, trained on the corpus]",
)
@SITE
@OUTPUT
@OVERWRITE
@DEVICE
@SEED
@QUIET
@JSON
@click.pass_context
def locate(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Find the units of MODEL that carry the facts in scope, and change nothing.

    Writes locate.json, scores.safetensors and figures (SVG and PNG) into the output folder. Without --subject or
    --request, everybody found is in scope. Only questions that an edit may see are asked: verification's are not.
    What of the corpus was not wholly scanned is named; the exit code is 4 then.
    """
    from editor.api.requests import LocateRequest

    request = build(LocateRequest, model, options)
    from editor.api.locate import run_locate
    from editor.cli.closing import show_not_found

    located = run_locate(request)
    if json_wanted():
        code = ExitCode.INCOMPLETE if located.incomplete else ExitCode.MET
        print_result(code, **_told(located), output=options["output"])
        ctx.exit(code)
    _print(located)
    show_not_found(located.scope.not_found)
    click.echo(f"Scores and figures: {options['output']}")
    for line in _skipped(located.scope):
        click.echo(line)
    if located.incomplete:
        ctx.exit(ExitCode.INCOMPLETE)


def _told(located: "Located") -> dict[str, Any]:
    """Return what the tables and the lines below them say, as values."""
    from dataclasses import asdict

    from editor.cli.closing import scope_told

    return {
        "locator": located.locator.name,
        "units": located.units,
        "sites": [asdict(row) for row in located.sites],
        **scope_told(located.scope),
    }


def _skipped(scope: "Scope") -> "Iterator[str]":
    """Yield what of the corpus was not wholly scanned, and why; nothing where everything was."""
    if scope.skipped:
        yield f"{len(scope.skipped)} of {scope.documents} documents were not wholly scanned:"
        yield from (f"  {line}" for line in scope.skipped[:PLACES_SHOWN])
    if len(scope.skipped) > PLACES_SHOWN:
        yield f"  and {len(scope.skipped) - PLACES_SHOWN} more, in locate.json"


def _print(located: "Located") -> None:
    from rich.console import Console
    from rich.table import Table

    from editor.cli.fitting import fitted

    finding = located.finding
    table = Table(
        title=located.locator.title,
        title_justify="left",
        caption="Share: of the located units' scores. Best units: by score, the highest first.",
        caption_justify="left",
    )
    for name in ("site", "units", "located", "share"):
        table.add_column(name, justify="left" if name == "site" else "right", no_wrap=True)
    table.add_column("best units")
    for row in located.sites:
        best = ", ".join(map(str, row.top_units)) + (", ..." if row.units > len(row.top_units) else "")
        table.add_row(row.site, f"{row.width:,}", f"{row.units:,}", f"{row.share:.1%}", best)
    console = Console()
    console.print(fitted(table, console.width))
    for sentence in finding.sentences:
        console.print(sentence, soft_wrap=True)
    if "probes" in finding.tables:
        console.print(fitted(_probe_table(finding), console.width))


def _probe_table(finding: "Finding") -> Any:
    """Return validation F1 by layer and k, as a table."""
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
