"""`expunge compare`: every method on the same facts, with the same questions, seeds and trials."""

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.names import NamesIn, SiteName, arms
from editor.cli.options import OVERWRITE, case_key, case_options, masked_command, open_case_from
from editor.cli.stages import make_stages
from editor.cli.stopping import stopped_by_sigterm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from editor.artefacts.masking import CaseKey
    from editor.artefacts.output import OutputFolder
    from editor.case import Case
    from editor.model.loading import LoadedModel
    from editor.progress import Stages
    from editor.results.comparison import Comparison, Cost


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--arms",
    type=NamesIn("arm", arms),
    help="By commas; feature-edit, which sets what the others are brought to, is always one.  [default: all]",
)
@click.option(
    "--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="How many, from --seed on."
)
@click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Of the search, for each arm and seed.",
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="For the arms that edit features, in any format that is read, or a hub name.  [default: Gated SAEs of "
    "mlp_out, trained on the corpus]",
)
@click.option("--site", type=SiteName(), help="Such as mlp_out.3, where --dictionary does not say.")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@OVERWRITE
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with a run that was stopped: the arms it finished are in OUTPUT.arms.",
)
@click.option(
    "--parallel",
    "processes_of_arms",
    type=click.IntRange(min=1),
    help="Arms at a time.  [default: one a core, as many as memory allows; on a GPU one]",
)
@click.option(
    "--case-key",
    type=click.Path(path_type=Path),
    help="Key of the labels, made if missing.  [default: beside the output]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@click.option("--seed", type=int, help="The first seed.  [default: the policy's]")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.pass_context
def compare(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Compare edit methods on MODEL at the policy, at the same ‖ΔW‖ and at the same collateral.

    Writes comparison.json, costs.json, comparison.html and figures (SVG and PNG) into the output folder, and no
    checkpoint. MODEL is left as it is. The exit code is 0, or 4 where part of the corpus was skipped or the run was
    stopped, by Ctrl-C or SIGTERM: whether arms meet the policy does not change it.
    """
    from rich.console import Console

    from editor.artefacts.output import OutputFolder
    from editor.cli.closing import scanner_for, shown
    from editor.measuring.summaries import versions
    from editor.model.loading import load_model
    from editor.report.comparison import comparison_table
    from policies import load_policy
    from policies.errors import ExitCode

    policy = load_policy(options["policy_name"])
    destination: Path = options["output"].resolve()
    kept = destination.with_name(f"{destination.name}.arms")
    stages = make_stages(quiet=options["quiet"])
    inputs = {"model": model, "policy": policy.digest}
    folder = OutputFolder(destination, overwrite=options["overwrite"], inputs=inputs, versions=versions())
    with stopped_by_sigterm(), folder as output:
        with stages.stage("Loading the model"):
            loaded = load_model(model, device=options["device"])
        case = open_case_from(options, policy, stages)
        key = case_key(options)
        output.scanner, output.seed = scanner_for(case, key), case.seed
        comparison, costs = _compare(case, loaded, options, key, kept, stages)
        _write(output, comparison, costs)
    shutil.rmtree(kept, ignore_errors=True)
    console = Console()
    console.print(comparison_table(comparison))
    console.print(comparison.verdict, soft_wrap=True)
    console.print(f"Report: {shown(destination / 'comparison.html')}", soft_wrap=True)
    ctx.exit(ExitCode.INCOMPLETE if case.incomplete else ExitCode.MET)


def _compare(
    case: "Case",
    loaded: "LoadedModel",
    options: dict[str, Any],
    key: "CaseKey",
    kept: Path,
    stages: "Stages",
) -> "tuple[Comparison, tuple[Cost, ...]]":
    """Run it; what was finished when it is stopped is there to go on with."""
    from editor.comparing.compare import CompareOptions, compare
    from policies.errors import OutputError

    chosen = CompareOptions(
        arms=options["arms"] or CompareOptions.arms,
        seeds=options["seeds"],
        trials=options["trials"],
        dictionary=options["dictionary"],
        site=options["site"],
        processes=options["processes_of_arms"],
        device=options["device"],
    )
    command = masked_command(sys.argv[1:])
    try:
        return compare(case, loaded, chosen, key, kept, stages, command=command, resume=options["resume"])
    except BaseException as error:
        if kept.exists() and not isinstance(error, OutputError):
            click.echo(f"What is finished is in {kept}: --resume goes on from there.", err=True)
        raise


def _write(output: "OutputFolder", comparison: "Comparison", costs: "Sequence[Cost]") -> None:
    """The comparison, what it took and the figures."""
    from editor.methods import METHODS
    from editor.report.comparison import render_comparison
    from editor.report.figures.comparing import comparison_figures
    from editor.report.figures.style import save_figure

    output.write_text("comparison.json", comparison.to_json())
    rows = [cost.model_dump(mode="json") for cost in costs]
    output.write_text("costs.json", json.dumps(rows, indent=2, sort_keys=True) + "\n")
    described = {name: entry.title for name, entry in METHODS.items()}
    output.write_text("comparison.html", render_comparison(comparison, costs, described))
    for name, figure in comparison_figures(comparison).items():
        save_figure(figure, output.path, name)
