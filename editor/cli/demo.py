"""`expunge demo`: the embedded lab, start to report."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import OVERWRITE


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
    help="Which of the lab's pretrained dictionaries to locate with.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@click.pass_context
def demo(ctx: click.Context, /, architecture: str, **options: Any) -> None:
    """Erase five invented people of a fictional clinic from a small model, start to report."""
    from editor.cli.erase import run_erase
    from editor.lab import find_lab

    lab = find_lab()
    ctx.exit(
        run_erase(
            str(_from_here(lab.model)),
            {
                "corpus": lab.corpus,
                "facts": None,
                "policy_name": str(lab.policy),
                "request_path": lab.request,
                "subjects": (),
                "probes": lab.probes,
                "detector_quality": None,
                "processes": None,
                "dictionary": lab.dictionaries(architecture),
                "method": "feature-edit",
                "strength": "auto",
                # Two short trials: `expunge erase` takes up to eight, of two rounds where they go on.
                "trials": 2,
                "warm_start_rounds": 1,
                "controls": True,
                "case_key": None,
                "seed": None,
                "operator": None,
                **options,
            },
        )
    )


def _from_here(path: Path) -> Path:
    """The path as seen from the working folder, where it lies inside: a report need not name one's folders."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
