"""`expunge compare`: every method on the same facts, with the same questions, seeds and trials."""

from pathlib import Path
from typing import Any

import click

from editor.cli.names import NamesIn, SiteName
from editor.cli.options import ATTACKS, OVERWRITE, build, case_options
from editor.cli.stopping import stopped_by_sigterm, telling_what_is_kept
from editor.methods import METHODS


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--arms",
    type=NamesIn("arm", METHODS),
    help="Arms, by commas; feature-edit, which sets what the others are brought to, is always one.  [default: all]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Number of seeds, from --seed on.",
)
@click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Number of search trials, for each arm and seed.",
)
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="Dictionaries for the arms that edit features, in any format that is read, or a hub name.  [default: Gated "
    "SAEs of mlp_out, trained on the corpus]",
)
@click.option(
    "--site", type=SiteName(), help="Site that --dictionary reads, such as mlp_out.3, where it does not say."
)
@ATTACKS
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@OVERWRITE
@click.option(
    "--resume",
    is_flag=True,
    help="Resume a run that was stopped: the arms it finished are in OUTPUT.arms.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    help="Number of arms at a time.  [default: one a core, as many as memory allows; on a GPU one]",
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

    from editor.api.compare import kept_beside, run_compare
    from editor.api.requests import CompareRequest
    from editor.cli.closing import show_not_found, shown
    from editor.report.comparison import comparison_table
    from policies.errors import ExitCode

    request = build(CompareRequest, model, options)
    kept = kept_beside(options["output"])
    with stopped_by_sigterm(), telling_what_is_kept(kept, "--resume resumes it"):
        comparison = run_compare(request)
    console = Console()
    console.print(comparison_table(comparison))
    console.print(comparison.verdict, soft_wrap=True)
    show_not_found(comparison.scope.not_found)
    console.print(f"Report: {shown(options['output'] / 'comparison.html')}", soft_wrap=True)
    ctx.exit(ExitCode.INCOMPLETE if comparison.scope.skipped else ExitCode.MET)
