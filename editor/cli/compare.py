"""`expunge compare`: every method on the same facts, with the same questions, seeds and trials."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import NamesIn
from editor.cli.options import ATTACKS, DEVICE, JSON, OUTPUT, OVERWRITE, QUIET, SITE, build, case_options
from editor.cli.stopping import telling_what_is_kept
from editor.methods import METHODS

if TYPE_CHECKING:
    from editor.results.comparison import Comparison
    from policies.errors import ExitCode


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
@SITE
@ATTACKS
@OUTPUT
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
@DEVICE
@click.option("--seed", type=int, help="The first seed.  [default: the policy's]")
@QUIET
@JSON
@click.pass_context
def compare(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Compare edit methods on MODEL at the policy, at the same ‖ΔW‖ and at the same collateral.

    Writes comparison.json, costs.json, comparison.html and figures (SVG and PNG) into the output folder, and no
    checkpoint. MODEL is left as it is. The exit code is 0, or 4 where part of the corpus was skipped or the run was
    stopped, by Ctrl-C or SIGTERM: whether arms meet the policy does not change it.
    """
    from editor.api.requests import CompareRequest
    from policies.errors import ExitCode

    request = build(CompareRequest, model, options)
    from editor.api.compare import kept_beside, run_compare

    kept = kept_beside(options["output"])
    with telling_what_is_kept(kept, "--resume resumes it"):
        comparison = run_compare(request)
    code = ExitCode.INCOMPLETE if comparison.scope.skipped else ExitCode.MET
    _show(comparison, options["output"], code)
    ctx.exit(code)


def _show(comparison: "Comparison", output: Path, code: "ExitCode") -> None:
    from rich.console import Console

    from editor.cli.closing import scope_told, show_not_found, shown
    from editor.cli.fitting import fitted
    from editor.report.comparison import TOLD, comparison_table
    from editor.report.comparison_text import rows_at

    if json_wanted():
        print_result(
            code,
            verdict=comparison.verdict,
            points={
                point: [row.model_dump(mode="json") for row in rows_at(comparison, point)] for point in TOLD
            },
            **scope_told(comparison.scope),
            files={"report": output / "comparison.json", "page": output / "comparison.html"},
        )
        return
    console = Console()
    console.print(fitted(comparison_table(comparison), console.width))
    console.print(comparison.verdict, soft_wrap=True)
    show_not_found(comparison.scope.not_found)
    console.print(f"Report: {shown(output / 'comparison.html')}", soft_wrap=True)
