"""`expunge plan`: what an audit and an erasure would take, before they run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.erase import METHOD, TRIALS
from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import ATTACKS, DEVICE, JSON, QUIET, SEED, SITE, build, case_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from editor.api.planning.values import Plan, StagePlan


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="Dictionaries that an erasure would be given.  [default: trained on the corpus]",
)
@SITE
@METHOD
@click.option(
    "--strength",
    default="auto",
    show_default=True,
    help="auto, default or a number, as an erasure would have it.",
)
@TRIALS
@click.option(
    "--keep-edit", is_flag=True, help="The edit would be kept, as a revert without the model needs it."
)
@ATTACKS
@DEVICE
@SEED
@QUIET
@JSON
@click.pass_context
def plan(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Say what an audit of MODEL and an erasure would take by stage: time, memory and disk.

    Weights are not read: a folder with config.json alone is enough. Facts are detected in the corpus, questions are
    counted and batched as they would be, and this machine is timed for about a second. Nothing is written. The exit
    code is 4 where part of the corpus would be skipped.
    """
    from editor.api.requests import PlanRequest

    request = build(PlanRequest, model, options)
    from editor.api.planning.plan import run_plan

    found = run_plan(request)
    code = ExitCode.INCOMPLETE if found.incomplete else ExitCode.MET
    if json_wanted():
        _print_json(found, code)
    else:
        _show(found)
    ctx.exit(code)


def _print_json(found: "Plan", code: ExitCode) -> None:
    from editor.cli.closing import scope_told

    plain = ("scope", "stages", "remedies", "disk", "incomplete")
    numbers = {name: value for name, value in vars(found).items() if name not in plain}
    print_result(
        code,
        **scope_told(found.scope),
        **numbers,
        memory_mib=found.memory_mib,
        stages=[{**vars(stage), "amounts": dict(stage.amounts)} for stage in found.stages],
        disk=dict(found.disk),
        remedies=[vars(remedy) for remedy in found.remedies],
    )


def _show(found: "Plan") -> None:
    """Say what each stage takes, what is written, and what lowers memory."""
    from rich.console import Console
    from rich.table import Table

    from editor.cli.closing import show_not_found
    from editor.cli.fitting import fitted

    console = Console(highlight=False)
    scope = found.scope
    console.print(
        f"{found.architecture}, {found.weights:,} weights, {found.model_mib:,.0f} MiB in {found.dtype} on "
        f"{found.device}. {scope.documents:,} documents, {scope.facts_in_scope:,} facts in scope about "
        f"{scope.subjects_in_scope:,} people."
    )
    if found.tokenizer == "rough":
        console.print("The model's folder holds no tokenizer: tokens are counted by pieces of words.")
    table = Table(title=f"Plan, by {found.method}: nothing was written", title_justify="left")
    for heading in ("Stage", "Time", "Memory, MiB", "Counted"):
        table.add_column(heading, justify="right" if heading == "Memory, MiB" else "left")
    for stage in found.stages:
        table.add_row(*_row(stage))
    low, high = (sum(getattr(stage, name) for stage in found.erasure) for name in ("low_s", "high_s"))
    table.add_row("an erasure", _times(low, high), f"{found.memory_mib:,.0f}", "")
    console.print(fitted(table, console.width))
    kinds = ", ".join(f"{name} {size / 2**20:,.1f}" for name, size in found.disk.items())
    console.print(f"Disk: {found.disk_mib:,.0f} MiB ({kinds}); {found.free_disk_mib:,.0f} MiB are free.")
    console.print(f"Memory: {found.memory_mib:,.0f} MiB at most; {found.free_mib:,.0f} MiB are free.")
    for remedy in found.remedies:
        saved = f", and saves {_time(remedy.saved_s)} at the least" if remedy.saved_s else ""
        console.print(f"{remedy.option} takes {remedy.memory_mib:,.0f} MiB{saved}.")
    show_not_found(scope.not_found)


def _row(stage: "StagePlan") -> tuple[str, ...]:
    from editor.api.planning.values import TITLES

    counted = ", ".join(f"{name} {amount:,}" for name, amount in stage.amounts.items())
    return TITLES[stage.name], _times(stage.low_s, stage.high_s), f"{stage.memory_mib:,.0f}", counted


def _times(low: float, high: float) -> str:
    return f"{_time(low)} to {_time(high)}" if high else "none"


def _time(seconds: float) -> str:
    from editor.formatting import duration

    return duration(seconds)
