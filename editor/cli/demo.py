"""`expunge demo`: the embedded lab, start to report."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import DEVICE, JSON, OVERWRITE, QUIET, request_fields


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("expunge-demo"),
    show_default=True,
    help="A new folder.",
)
@OVERWRITE
@click.option(
    "--dictionary",
    "architecture",
    type=click.Choice(("gated", "binary")),
    default="gated",
    show_default=True,
    help="Kind of the lab's pretrained dictionaries to locate with.",
)
@click.option(
    "--controls/--no-controls",
    default=False,
    show_default=True,
    help="Measure edits of features drawn at random at the same size too, which takes another fit.",
)
@DEVICE
@QUIET
@JSON
@click.pass_context
def demo(ctx: click.Context, /, architecture: str, **options: Any) -> None:
    """Erase five invented people of a fictional clinic from a small model, start to report."""
    from editor.api.erase import run_erase
    from editor.api.requests import EraseRequest
    from editor.cli.closing import show_report
    from editor.lab import find_lab

    lab = find_lab()
    request = EraseRequest(
        str(_from_here(lab.model)),
        corpus=lab.corpus,
        policy=lab.policy,
        request=lab.request,
        probes=lab.probes,
        dictionary=lab.dictionaries(architecture),
        # Two trials of fewer steps: `expunge erase` takes up to eight.
        trials=2,
        settings={"steps": 150, "warm_start_steps": 100},
        **request_fields(options),
    )
    report = run_erase(request)
    show_report(report, options["output"])
    ctx.exit(report.exit_code)


def _from_here(path: Path) -> Path:
    """Return the path as seen from the working folder, where it lies inside: a report need not name one's folders."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
