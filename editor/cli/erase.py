"""`expunge erase`: the main job."""

from pathlib import Path
from typing import Any

import click

from editor.cli.names import SiteName
from editor.cli.options import (
    ATTACKS,
    MAX_MEMORY,
    REFERENCE,
    build,
    case_options,
    resume_option,
    run_options,
)
from editor.cli.stopping import telling_what_is_kept
from editor.methods import METHODS

OFFERED = tuple(name for name, entry in METHODS.items() if entry.family != "random")


METHOD = click.option("--method", type=click.Choice(OFFERED), default="feature-edit", show_default=True)
TRIALS = click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=8,
    show_default=True,
    help="Number of search trials, at most.",
)


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="Dictionaries for feature methods, of the model's mlp_out, attn_out or resid_post, in any format that is "
    "read, or a hub name.  [default: Gated SAEs of mlp_out, trained on the corpus and kept in the output]",
)
@click.option(
    "--site",
    type=SiteName(),
    help="Site that --dictionary reads, such as mlp_out.3, where it does not say; of several, the one to use.",
)
@METHOD
@click.option(
    "--strength",
    default="auto",
    show_default=True,
    help="auto searches for an edit that meets the policy; default takes the method's settings as they are; a "
    "number is its strength in an edit without search: for feature-edit and the circuits how many nats below chance "
    "they push what identifies, for neurons and feature-literal how many units they take, for pisces the overshoot, "
    "for memit the most that the residual stream moves, over its norm, for grad-ascent and npo-lora the learning rate.",
)
@TRIALS
@click.option(
    "--controls/--no-controls",
    default=None,
    help="Measure control edits of the same size too, which takes another fit each.  [default: for a model of at most "
    "50 million weights]",
)
@click.option(
    "--previous",
    type=click.Path(path_type=Path),
    multiple=True,
    help="An output folder of `erase` whose edit MODEL has; its request is given by --also-erased; repeatable.",
)
@click.option(
    "--keep-edit",
    metavar="[FOLDER]",
    is_flag=False,
    flag_value="",
    help="Keep the change of weights, an adapter and what a revert needs, which bring the facts back, in FOLDER or in "
    "OUTPUT.edit. Without it a revert needs MODEL.",
)
@click.option(
    "--originals-key",
    type=click.Path(path_type=Path),
    help="A file with a key of 64 hexadecimal digits, to encrypt the kept edit with.",
)
@click.option(
    "--originals-passphrase-file",
    type=click.Path(path_type=Path),
    help="A file with a passphrase, to encrypt it with.  [default: the variable EXPUNGE_ORIGINALS_PASSPHRASE]",
)
@resume_option("made", "; never where the edit is encrypted")
@click.option(
    "--ledger",
    type=click.Path(path_type=Path),
    help="A file that gets a line about this run, chained to those before it; made if missing.",
)
@REFERENCE
@click.option(
    "--requests",
    type=click.Path(path_type=Path),
    help="A folder of requests (`expunge request`), instead of --request: all that wait are erased together, and the "
    "run is put on record of each.",
)
@ATTACKS
@MAX_MEMORY
@run_options
@click.pass_context
def erase(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Erase data subjects from MODEL, verify the checkpoint written, and report.

    Writes model/ (a plain checkpoint), edit.json, report.json, report.html, features.html, manifest.json,
    statement.json and bom.json into the output folder. A run that was stopped leaves what it has made in
    OUTPUT.unfinished, and the same command resumes it.
    """
    from editor.api.requests import EraseRequest

    request = build(EraseRequest, model, options)
    from editor.api.erase import run_erase
    from editor.api.kept import unfinished_beside
    from editor.cli.closing import show_report

    kept = unfinished_beside(options["output"])
    with telling_what_is_kept(kept, "the same command resumes it"):
        report = run_erase(request)
    show_report(report, options["output"], request.edit_folder)
    ctx.exit(report.exit_code)
