"""`expunge push`: upload what a run wrote to the Hugging Face hub."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import PUSHABLE_NAMES
from editor.cli.options import JSON, refusing
from policies.errors import ExitCode

if TYPE_CHECKING:
    from editor.api.push import Pushed


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.argument("repo")
@click.option(
    "--what",
    type=click.Choice(PUSHABLE_NAMES),
    default="checkpoint",
    show_default=True,
    help="The edited checkpoint, the edit as a PEFT adapter, or the report with its evidence.",
)
@click.option(
    "--private/--public",
    default=True,
    show_default=True,
    help="Whether nobody else may see REPO: a new one is made so, and one that is public is refused.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and list the files; the hub is not asked.")
@click.option(
    "--base-model",
    metavar="NAME",
    help="Name on the hub of the model that was edited, for the card and the adapter.  [default: the name that it was "
    "loaded by, if any]",
)
@click.option(
    "--edit",
    type=click.Path(path_type=Path),
    help="The folder that `erase --keep-edit` kept the edit in, with the adapter.  [default: OUTPUT.edit]",
)
@click.option(
    "--facts",
    type=click.Path(path_type=Path),
    help="A facts file: what is uploaded is searched for its secrets and full names again.",
)
@click.option("--request", type=click.Path(path_type=Path), help="An erasure request: the same.")
@JSON
def push(output: Path, repo: str, **options: Any) -> None:
    """Upload what a run wrote into OUTPUT to REPO (owner/name) on the Hugging Face hub.

    OUTPUT must agree with itself (`expunge verify-report`). Nothing is uploaded that the facts can be derived from:
    neither the originals and the change of weights of a kept edit, nor a case key, nor the folder of an unfinished run,
    nor a checkpoint that leaks more than its policy allows.
    """
    from editor.api.folder_requests import PushRequest

    with refusing():
        request = PushRequest(output, repo, **options)
    from editor.api.push import run_push

    pushed = run_push(request)
    if json_wanted():
        print_result(
            ExitCode.MET, uploaded=pushed.address is not None, private=request.private, **vars(pushed)
        )
        return
    _show(pushed, private=request.private)


def _show(pushed: "Pushed", *, private: bool) -> None:
    width = max(map(len, pushed.files))
    for name, size in pushed.files.items():
        click.echo(f"  {name:<{width}}  {size:>15,} bytes")
    if pushed.searched:
        click.echo(f"Searched for {pushed.searched:,} secrets and names: none is in these files.")
    for line in pushed.unchecked:
        click.echo(f"Not compared: {line}.")
    if pushed.what == "adapter":
        click.echo(
            "Whoever has this adapter and the edited checkpoint can compute the model before the edit."
        )
    seen = "private" if private else "public"
    if pushed.address is None:
        click.echo(f"Nothing was uploaded. Without --dry-run this goes to {pushed.repo} ({seen}).")
    else:
        click.echo(f"Uploaded to {pushed.address}")
