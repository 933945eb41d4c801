"""Options that several commands share, and how they become a case."""

import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from editor.artefacts.masking import CaseKey
    from editor.case import Case
    from editor.measuring.gate import FailOn
    from editor.pipeline import RunInfo
    from editor.progress import Stages
    from policies import ErasureRequest, Policy

F = TypeVar("F", bound=Callable[..., Any])

OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the output folder if it exists.")


def case_options(command: F) -> F:
    """Whose data, where it is found and what counts as personal."""
    for option in reversed(
        (
            click.option(
                "--corpus", type=click.Path(path_type=Path), help="The text the model was trained on."
            ),
            click.option(
                "--facts", type=click.Path(path_type=Path), help="A facts file, instead of detection."
            ),
            click.option(
                "--policy",
                "policy_name",
                default="gdpr",
                show_default=True,
                help="A YAML file or a preset's name.",
            ),
            click.option(
                "--request", "request_path", type=click.Path(path_type=Path), help="An erasure request."
            ),
            click.option(
                "--subject", "subjects", multiple=True, help="A data subject's full name; repeatable."
            ),
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
            click.option(
                "--processes",
                type=click.IntRange(min=1),
                help="How many search the corpus.  [default: one; from 5,000 documents on, one a core]",
            ),
        )
    ):
        command = option(command)
    return command


def evidence_options(command: F) -> F:
    """What an audit looks at beyond its verdicts."""
    for option in reversed(
        (
            click.option(
                "--baseline",
                help="The model that MODEL was made from: what it gives away already is told from what was learned.",
            ),
            click.option(
                "--confirm",
                type=click.IntRange(min=0),
                default=40,
                show_default=True,
                help="Verdicts that are compared with generation.",
            ),
            click.option(
                "--open-texts",
                type=click.IntRange(min=0),
                default=64,
                show_default=True,
                help="Texts generated from nothing and searched for personal data.",
            ),
            click.option(
                "--candidates",
                type=click.IntRange(min=0),
                default=255,
                show_default=True,
                help="Secrets of the same format among which facts are ranked.",
            ),
            click.option("--membership/--no-membership", default=True, help="Run membership tests."),
            click.option(
                "--chat/--no-chat",
                default=None,
                help="Ask in the tokenizer's chat template.  [default: where there is one]",
            ),
            click.option("--system-prompt", help="Stands before every question to a chat model."),
        )
    ):
        command = option(command)
    return command


def run_options(command: F) -> F:
    """Where to write, on what to run."""
    for option in reversed(
        (
            click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder."),
            OVERWRITE,
            click.option(
                "--case-key",
                type=click.Path(path_type=Path),
                help="Key of the report's labels, made if missing.  [default: beside the output]",
            ),
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ..."),
            click.option("--seed", type=int, help="Of everything random.  [default: the policy's]"),
            click.option(
                "--fail-on",
                multiple=True,
                metavar="OUTCOME|THRESHOLD=NUMBER",
                help="What gives an exit code other than 0: leakage, utility, incomplete, or none; by commas or "
                "repeated.  [default: all three]  NAME=NUMBER replaces a threshold of the policy, such as "
                "greedy_rate=0.01.",
            ),
            click.option("--operator", help="Who answers for this run.  [default: the user's login]"),
            click.option("--quiet", is_flag=True, help="No progress bars."),
        )
    ):
        command = option(command)
    return command


def load_request_or_names(request_path: Path | None, subjects: tuple[str, ...]) -> "ErasureRequest | None":
    """The request that a file or names on the command line make; None for everybody."""
    from policies import ErasureRequest, load_request

    if request_path is not None and subjects:
        raise click.UsageError("Give --request or --subject, not both.")
    if request_path is not None:
        return load_request(request_path)
    return ErasureRequest.from_names(subjects) if subjects else None


def open_case_from(options: dict[str, Any], policy: "Policy", stages: "Stages") -> "Case":
    """Read everything the shared options name."""
    from editor.case import CaseFiles, open_case

    if options["corpus"] is None and options["facts"] is None:
        raise click.UsageError("Give --corpus or --facts.")
    files = CaseFiles(
        corpus=options["corpus"],
        facts=options["facts"],
        probes=options["probes"],
        quality=options["detector_quality"],
    )
    request = load_request_or_names(options["request_path"], options["subjects"])
    seed = policy.seed if options["seed"] is None else options["seed"]
    return open_case(files, policy, request, seed=seed, processes=options["processes"], stages=stages)


def fail_on(options: dict[str, Any]) -> "FailOn":
    """What this run fails on.

    Raises:
        PolicyError: `--fail-on` cannot be read.
    """
    from editor.measuring.gate import FailOn

    return FailOn.parse(options.get("fail_on", ()))


def case_key(options: dict[str, Any]) -> "CaseKey":
    """The named key, or the one beside the output folder; a new one is not stored yet.

    Raises:
        OutputError: it cannot be read, or it would lie in the output folder, whose labels it resolves.
    """
    from editor.artefacts.masking import CaseKey
    from policies.errors import OutputError

    output: Path = options["output"].resolve()
    path: Path = options["case_key"] or output.with_name(f"{output.name}.key")
    if path.resolve().is_relative_to(output):
        raise OutputError(
            f"The case key {path} lies in the output folder", "Name a path apart from the output"
        )
    return CaseKey.load_or_generate(path)


def run_info(options: dict[str, Any]) -> "RunInfo":
    """Operator and command line; names of data subjects on it are masked."""
    from editor.pipeline import RunInfo

    return RunInfo(
        operator=options["operator"] or _login(), command=masked_command(sys.argv[1:]), key=case_key(options)
    )


def masked_command(arguments: list[str]) -> str:
    """The command line with every --subject masked, quoted for a shell."""
    import shlex

    masked: list[str] = []
    hide = False
    for argument in arguments:
        if hide:
            masked.append("***")
        elif argument.startswith("--subject="):
            masked.append("--subject=***")
        else:
            masked.append(argument)
        hide = argument == "--subject"
    return shlex.join(["expunge", *masked])


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
