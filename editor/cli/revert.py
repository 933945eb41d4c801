"""`expunge revert`: take an edit back, bit for bit."""

from pathlib import Path

import click

from editor.cli.options import OVERWRITE


@click.command()
@click.argument("erased", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="A new folder for the checkpoint."
)
@OVERWRITE
def revert(erased: Path, output: Path, overwrite: bool) -> None:
    """Write the checkpoint as it was before ERASED, an output folder of `erase`, and check it bit for bit."""
    from editor.api.requests import RevertRequest
    from editor.api.revert import run_revert

    request = RevertRequest(erased, output=output, overwrite=overwrite)
    reverted = run_revert(request)
    click.echo(f"{reverted.tensors} tensors put back; the digest equals the original's. Checkpoint: {output}")
