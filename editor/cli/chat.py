"""`expunge chat`: an edited model and the original side by side."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON, QUIET, build, loading_options
from policies.errors import ExitCode, RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from editor.api.chat import Exchange


@click.command()
@click.argument("edited", type=click.Path(path_type=Path))
@click.option("--against", required=True, help="The original model.")
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    metavar="TEXT",
    help="What both are asked; repeatable.  [default: what is typed, or each line of standard input]",
)
@click.option(
    "--facts", type=click.Path(path_type=Path), help="A facts file, whose secrets and names are masked."
)
@click.option("--request", type=click.Path(path_type=Path), help="An erasure request: the same.")
@click.option(
    "--policy", help="A YAML file or a preset's name: what it calls personal is looked for and masked too."
)
@click.option("--show-secrets", is_flag=True, help="Mask nothing.")
@click.option(
    "--temperature",
    type=float,
    default=0.0,
    show_default=True,
    help="Temperature of sampling from all tokens; 0 takes the likeliest one.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of sampling.")
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Most tokens of an answer.",
)
@click.option(
    "--chat/--no-chat",
    default=None,
    help="Ask in the tokenizer's chat template.  [default: where there is one]",
)
@click.option("--system-prompt", help="Text that stands before every prompt to a chat model.")
@loading_options
@QUIET
@JSON
def chat(edited: Path, **options: Any) -> None:
    """Ask EDITED and the original model the same, and show both answers side by side.

    EDITED is a checkpoint folder, an output folder of `erase`, a hub name or a PEFT adapter folder. Prompts are typed,
    one at a time, or are the lines of standard input where that is no terminal. Each is asked by itself. Digits,
    e-mail addresses, and the names and secrets of --facts and --request are masked in all that is printed, unless
    --show-secrets is given.
    """
    from editor.api.folder_requests import ChatRequest

    request = build(ChatRequest, edited, options)
    prompts = request.prompts or _piped()
    from editor.api.chat import Chat

    asked = map(Chat(request).ask, _typed() if prompts is None else prompts)
    if json_wanted():
        answers = [vars(exchange) for exchange in asked]
        print_result(ExitCode.MET, edited=edited, against=request.against, answers=answers)
        return
    _show(asked, typed=prompts is None)


def _piped() -> list[str] | None:
    """Return the lines of standard input that are not empty; None where somebody types.

    Raises:
        RequestError: there is none, or it is no text; or JSON is wanted of what is typed.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        if json_wanted():
            raise RequestError(
                "--json prints one object in the end, not answers to what is typed",
                "Give --prompt, or prompts on standard input",
            )
        return None
    try:
        lines = [] if sys.stdin is None else [line.rstrip("\r\n") for line in sys.stdin]
    except UnicodeDecodeError:
        raise RequestError("Standard input is no text in UTF-8", "Convert it") from None
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise RequestError(
            "There is nothing to ask: standard input is no terminal and holds no line",
            "Give --prompt, or a prompt on every line",
        )
    return prompts


def _typed() -> Iterator[str]:
    """Yield what is typed, until the end of input or Ctrl-C."""
    click.echo("Type a prompt; Ctrl-D ends.")
    while True:
        try:
            line = input("> ")
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        if line.strip():
            yield line


def _show(asked: "Iterable[Exchange]", *, typed: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for exchange in asked:
        _show_one(exchange, console, typed=typed)


def _show_one(exchange: "Exchange", console: "Console", *, typed: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from editor.formatting import printable_lines

    table = Table(expand=True)
    for name in ("Original", "Edited"):
        table.add_column(name, ratio=1, overflow="fold")
    table.add_row(*(Text(printable_lines(text)) for text in (exchange.original, exchange.edited)))
    if not typed:
        console.print(Text(f"> {printable_lines(exchange.prompt)}", style="bold"), soft_wrap=True)
    console.print(table)
    if not exchange.differ:
        console.print("Both answer the same.", style="dim")
