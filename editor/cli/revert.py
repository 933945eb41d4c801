"""`expunge revert`: take an edit back, bit for bit."""

from pathlib import Path
from typing import Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON, OVERWRITE, refusing
from policies.errors import ExitCode


@click.command()
@click.argument("erased", type=click.Path(path_type=Path))
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="A new folder for the checkpoint."
)
@OVERWRITE
@click.option(
    "--edit",
    type=click.Path(path_type=Path),
    help="The folder that `erase --keep-edit` kept the edit in.  [default: ERASED.edit]",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path),
    help="The file with the key that the edit was encrypted with.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="The file with its passphrase.  [default: the variable EXPUNGE_ORIGINALS_PASSPHRASE]",
)
@click.option(
    "--from",
    "base",
    metavar="MODEL",
    help="The model that the edit was made on: its tensors are put back instead of those that were kept.",
)
@click.option(
    "--out-of",
    type=click.Path(path_type=Path),
    help="A checkpoint that was edited since, or its output folder, to take the edit out of.  [default: ERASED]",
)
@click.option("--subject", help="The person that the edit must be about, and nobody else.")
@click.option(
    "--case-key",
    type=click.Path(path_type=Path),
    help="The key of the case, for --subject.  [default: beside ERASED]",
)
@JSON
def revert(erased: Path, **options: Any) -> None:
    """Write the checkpoint without the edit of ERASED, an output folder of `erase`, and check it bit for bit."""
    from editor.api.folder_requests import RevertRequest
    from editor.api.revert import run_revert

    with refusing():
        request = RevertRequest(erased, **options)
    reverted = run_revert(request)
    if json_wanted():
        print_result(
            ExitCode.MET,
            tensors=reverted.tensors,
            is_original=reverted.is_original,
            edits=reverted.edits,
            checkpoint=reverted.checkpoint,
        )
        return
    said = f"{reverted.tensors} tensors put back"
    said += "; the digest equals the original's" if reverted.is_original else ""
    said += f"; edits that it still has: {reverted.edits}" if reverted.edits else ""
    click.echo(f"{said}. Checkpoint: {options['output']}")
