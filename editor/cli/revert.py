"""`expunge revert`: take an edit back, bit for bit."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import OVERWRITE


@click.command()
@click.argument("erased", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="A new folder for the checkpoint."
)
@OVERWRITE
def revert(erased: Path, **options: Any) -> None:
    """Write the checkpoint as it was before ERASED, an output folder of `erase`, and check it bit for bit."""
    from editor.cli.closing import open_output
    from editor.edits.export import revert_checkpoint

    with open_output(options) as output:
        tensors = revert_checkpoint(erased, output.path)
    click.echo(
        f"{tensors} tensors put back; the digest equals the original's. Checkpoint: {options['output']}"
    )
