"""The command line. Each command is a file; its imports happen when it runs, so that help answers at once."""

import os
import sys
from importlib import import_module

import click

from policies.errors import ExitCode, ExpungeError

COMMANDS = {
    "demo": ("editor.cli.demo", "demo", "Erase five people from the embedded lab, start to report."),
    "detect": ("editor.cli.detect", "detect", "Find personal facts in a corpus."),
    "audit": ("editor.cli.audit", "audit", "Measure what a model leaks."),
    "locate": ("editor.cli.locate", "locate", "Find the units that carry the facts, and change nothing."),
    "erase": ("editor.cli.erase", "erase", "Erase data subjects from a model and verify it."),
    "compare": ("editor.cli.compare", "compare", "Compare edit methods on equal terms."),
    "verify": ("editor.cli.verify", "verify", "Measure an edited checkpoint against the original."),
    "verify-report": (
        "editor.cli.verify_report",
        "verify_report",
        "Check an output folder: digests, verdict, exit code, signature.",
    ),
    "revert": ("editor.cli.revert", "revert", "Take an edit back, bit for bit."),
    "request": ("editor.cli.request", "request", "Keep erasure requests: deadlines, runs, letters."),
    "dictionary": ("editor.cli.dictionary", "dictionary", "Train, evaluate and look into dictionaries."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they run; help shows a table kept here."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List all commands in the order of a case."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Show the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="expunge")
def cli() -> None:
    """Erase personal data from a trained language model, and measure what the erasure did.

    \b
    Exit codes: 0 policy met, 1 leakage above the policy, 2 usage or input error,
    3 utility below the policy, 4 incomplete (something was skipped, or a limit had nothing
    to count), 5 internal error.
    """  # noqa: D301  # click wants the character


def main(arguments: list[str] | None = None) -> None:
    """Run a command; turn errors into one line and an exit code. The only place that does so."""
    # Read when torch is imported. Idle threads that spin slow each other down where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Products of every shape that was met are kept else, hundreds of megabytes: batches differ in shape, layers do not.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    try:
        code = cli.main(args=arguments, prog_name="expunge", standalone_mode=False)
    except ExpungeError as error:
        _say(f"{error.cause}.\n{error.remedy}.")
        code = error.exit_code
    except click.exceptions.Abort:
        _say("Stopped. Nothing was written.")
        code = ExitCode.INCOMPLETE
    except KeyboardInterrupt:
        _say("Stopped. Nothing was written.")
        code = ExitCode.INCOMPLETE
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except Exception as error:
        _say(
            f"Internal error: {type(error).__name__} in {_place(error)}.\n"
            "This is a defect of Expunge; its message is withheld, because it may hold personal data. "
            "Set EXPUNGE_TRACEBACK=1 to see it."
        )
        _traceback(error)
        code = ExitCode.INTERNAL
    sys.exit(int(code or 0))


def _say(text: str) -> None:
    click.echo(f"expunge: {text}", err=True)


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame is not None else "?"


def _traceback(error: BaseException) -> None:
    import traceback

    if os.environ.get("EXPUNGE_TRACEBACK"):
        traceback.print_exception(error)
