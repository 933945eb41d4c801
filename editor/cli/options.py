"""Options that several commands share, and how they become a request."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from editor.attacks import ATTACK_SETS
from editor.cli.json_output import KEY, json_wanted
from editor.cli.names import DTYPE_NAMES, SiteName
from editor.cli.people import Names, RequestFile
from editor.model.checks.hub import check_name
from policies.errors import RequestError

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

PERSONAL = ("--subject", "--prompt")
"""Options that may hold personal data."""
OUTPUT = click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an earlier output that stands there.")
TRUST_REMOTE_CODE = click.option(
    "--trust-remote-code",
    is_flag=True,
    help="Run Python code that comes with the model, where it needs it: such code can do whatever you can.",
)
POLICY = click.option("--policy", default="gdpr", show_default=True, help="A YAML file or a preset's name.")
REQUEST = click.option(
    "--request", type=RequestFile(), help="An erasure request; - reads it from standard input."
)
SUBJECTS = click.option(
    "--subject",
    "subjects",
    type=Names(),
    multiple=True,
    callback=lambda _context, _option, value: tuple(name for names in value for name in names),
    help="A data subject's full name; repeatable. @FILE takes a name from each line of a file, @- from standard input: "
    "so no name stands on the command line, where other users can read it.",
)
PROCESSES = click.option(
    "--processes",
    type=click.IntRange(min=1),
    help="Number of processes that search the corpus.  [default: one; from 5,000 documents on, one a core]",
)
SEED = click.option("--seed", type=int, help="Seed of everything random.  [default: the policy's]")
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
REVISION = click.option(
    "--revision",
    help="Branch, tag or commit of the model, where it is on the hub.  [default: its main branch]",
)
DTYPE = click.option(
    "--dtype",
    type=click.Choice(DTYPE_NAMES),
    default="auto",
    show_default=True,
    help="Precision to compute in: auto is float32 on the CPU, and the checkpoint's own on a GPU. What is written "
    "keeps the checkpoint's.",
)
BATCH_SIZE = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Most tokens in one batch, padding included.  [default: as many as memory is meant for]",
)
QUIET = click.option("--quiet", is_flag=True, help="No progress bars.")
JSON = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=lambda context, _, value: context.meta.update({KEY: value}),
    help="Print the result, or why there is none, as one JSON object.",
)

ATTACKS = click.option(
    "--attacks",
    type=click.Choice(ATTACK_SETS),
    default="quick",
    show_default=True,
    help="What is done to the edited model before it is asked again: quick rounds, prunes, merges, asks otherwise and "
    "relearns a little; full trains for long too, which takes many times as long; none does nothing.",
)

REFERENCE = click.option(
    "--reference",
    help="A model with the same tokenizer that never saw the facts, such as one trained without them: erased facts "
    "are compared with what it knows of them.  [default: with decoys]",
)
SITE = click.option(
    "--site", type=SiteName(), help="Site that --dictionary reads, such as mlp_out.3, where it does not say."
)
MAX_MEMORY = click.option(
    "--max-memory",
    metavar="cpu=MEMORY",
    help="Most memory for weights, such as cpu=8GiB, on a processor; what does not fit is mapped from the model's "
    "files. Attacks change all weights: --attacks none.",
)


def resume_option(done: str, never: str = "") -> Callable[[F], F]:
    """Return the option that keeps what a run has done until it has ended."""
    return click.option(
        "--resume/--no-resume",
        default=True,
        show_default=True,
        help=f"Keep what is {done} in OUTPUT.unfinished until the run has ended, for the same command to resume"
        f"{never}.",
    )


def case_options(command: F) -> F:
    """Add options for whose data, where it is found and what counts as personal."""
    for option in reversed(
        (
            click.option(
                "--corpus", type=click.Path(path_type=Path), help="The text the model was trained on."
            ),
            click.option(
                "--facts", type=click.Path(path_type=Path), help="A facts file, instead of detection."
            ),
            POLICY,
            REQUEST,
            click.option(
                "--also-erased",
                type=click.Path(path_type=Path),
                multiple=True,
                help="An earlier request: what it had erased must not come back; repeatable.",
            ),
            SUBJECTS,
            click.option(
                "--probes",
                type=click.Path(path_type=Path),
                help="Wordings that are not in the corpus, for verification.",
            ),
            click.option(
                "--detector-quality",
                type=click.Path(path_type=Path),
                help="What `expunge detect --score` measured, for the report's coverage.",
            ),
            PROCESSES,
            TRUST_REMOTE_CODE,
            REVISION,
            DTYPE,
            BATCH_SIZE,
        )
    ):
        command = option(command)
    return command


def loading_options(command: F) -> F:
    """Add options for how a model is loaded, to a command that takes no case."""
    for option in reversed((DEVICE, REVISION, DTYPE, TRUST_REMOTE_CODE)):
        command = option(command)
    return command


def evidence_options(command: F) -> F:
    """Add options for what an audit looks at beyond its verdicts."""
    for option in reversed(
        (
            click.option(
                "--baseline",
                help="The model that MODEL was made from: what it leaks already is told from what was learned.",
            ),
            click.option(
                "--confirm",
                type=click.IntRange(min=0),
                default=40,
                show_default=True,
                help="Number of verdicts compared with generation.",
            ),
            click.option(
                "--open-texts",
                type=click.IntRange(min=0),
                default=64,
                show_default=True,
                help="Number of texts generated from nothing and searched for personal data.",
            ),
            click.option(
                "--candidates",
                type=click.IntRange(min=0),
                default=255,
                show_default=True,
                help="Number of secrets of the same format among which facts are ranked.",
            ),
            click.option("--membership/--no-membership", default=True, help="Run membership tests."),
            click.option(
                "--chat/--no-chat",
                default=None,
                help="Ask in the tokenizer's chat template.  [default: where there is one]",
            ),
            click.option("--system-prompt", help="Text that stands before every question to a chat model."),
            click.option(
                "--max-memory",
                metavar="DEVICE=MEMORY,...",
                help="Spread the model over devices, such as 0=20GiB,cpu=60GiB; what does not fit is read from the "
                "disk whenever it is run.",
            ),
        )
    ):
        command = option(command)
    return command


def run_options(command: F) -> F:
    """Add options for where to write and on what to run."""
    for option in reversed(
        (
            OUTPUT,
            OVERWRITE,
            click.option(
                "--case-key",
                type=click.Path(path_type=Path),
                help="Key of the report's labels, made if missing.  [default: beside the output]",
            ),
            DEVICE,
            SEED,
            click.option(
                "--fail-on",
                multiple=True,
                metavar="OUTCOME|THRESHOLD=NUMBER",
                help="What gives an exit code other than 0: leakage, utility, incomplete, or none; by commas or "
                "repeated.  [default: all three]  NAME=NUMBER replaces a threshold of the policy, such as "
                "greedy_rate=0.01.",
            ),
            click.option(
                "--sign-key",
                type=click.Path(path_type=Path),
                help="Private key, Ed25519 or ECDSA P-256 in PEM, that signs the folder's statement.",
            ),
            click.option("--operator", help="Who answers for this run.  [default: the user's login]"),
            QUIET,
            JSON,
        )
    ):
        command = option(command)
    return command


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what contradicts itself in a request that the `with` block makes into an error of usage.

    Raises:
        click.UsageError: it does.
    """
    try:
        yield
    except RequestError as error:
        raise click.UsageError(f"{error.cause}. {error.remedy}.") from None


def build(request: Callable[..., R], subject: object, options: dict[str, Any]) -> R:
    """Build the request that a command's argument and options make.

    A hub name that cannot be looked up is refused here, before torch is imported, which takes seconds.

    Raises:
        click.UsageError: they contradict one another.
        ModelError: a model is a hub name that cannot be looked up.
    """
    with refusing():
        made = request(subject, **request_fields(options))
    for name in ("model", "edited", "against", "baseline", "reference"):
        revision = options.get("revision") if name in ("model", "against") else None
        check_name(getattr(made, name, None), revision)
    return made


def request_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return a command's options as fields of its request: with progress bars, and the command line masked."""
    fields = {name: value for name, value in options.items() if name != "quiet"}
    progress = not options["quiet"]
    told = {"progress": progress, "estimate": progress and not json_wanted()}
    return {**fields, **told, "command": masked_command(sys.argv[1:])}


def masked_command(arguments: list[str]) -> str:
    """Return the command line with every --subject and --prompt masked, quoted for a shell."""
    import shlex

    masked: list[str] = []
    hide = False
    for argument in arguments:
        name, sign, _ = argument.partition("=")
        if hide:
            masked.append("***")
        elif sign and name in PERSONAL:
            masked.append(f"{name}=***")
        else:
            masked.append(argument)
        hide = not hide and argument in PERSONAL
    return shlex.join(["expunge", *masked])
