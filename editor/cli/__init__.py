"""The command line. Each command is a file; its imports happen when it runs, so that help answers at once."""

import logging
import os
import sys
import warnings
from collections import UserDict
from importlib import import_module
from typing import Any

import click

from editor.cli.json_output import print_failure
from editor.cli.launched import check_launched, is_launched, leave_launched, silence_others
from editor.cli.stopping import stopped_by_signals
from editor.cli.streams import guard_streams, output_failure
from policies.errors import ExitCode, ExpungeError, printable
from policies.faults import explain

QUIET_LIBRARIES = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYTHONWARNINGS": "ignore",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Variables by which libraries, and the processes of a run, show neither bars nor warnings."""
COMMANDS = {
    "demo": ("editor.cli.demo", "demo", "Erase five people from the embedded lab, start to report."),
    "detect": ("editor.cli.detect", "detect", "Find personal facts in a corpus."),
    "plan": ("editor.cli.plan", "plan", "Say what an audit and an erasure would take."),
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
    "chat": ("editor.cli.chat", "chat", "Ask an edited model and the original side by side."),
    "push": ("editor.cli.push", "push", "Upload what a run wrote to the Hugging Face hub."),
    "request": ("editor.cli.request", "request", "Keep erasure requests: deadlines, runs, letters."),
    "dictionary": ("editor.cli.dictionary", "dictionary", "Train, evaluate and look into dictionaries."),
    "doctor": ("editor.cli.doctor", "doctor", "Check this installation and this machine."),
}


class LazyCommands(UserDict[str, Any]):
    """Commands by name, each imported when it is asked for; click suggests among the names."""

    def __getitem__(self, name: str) -> click.Command:
        module, attribute, _ = super().__getitem__(name)
        command: click.Command = getattr(import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group whose help shows a table kept here, and imports no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List all commands in the order of a case."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Show the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    commands=LazyCommands(COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
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
    if arguments is None:
        guard_streams()
        keep_out_of_core_dumps()
        quieten_libraries()
        if is_launched():
            silence_others()
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        if is_launched():
            check_launched(sys.argv[1:] if arguments is None else arguments)
        with stopped_by_signals():
            code = cli.main(args=arguments, prog_name="expunge", standalone_mode=False)
    except ExpungeError as error:
        code = _fail(error.exit_code, error.cause, error.remedy, as_json=as_json)
    except (click.exceptions.Abort, KeyboardInterrupt):
        code = _fail(ExitCode.INCOMPLETE, "Stopped", "Nothing was written", as_json=as_json, on_one_line=True)
    except click.ClickException as error:
        error = _with_help(error)
        error.show()
        code = ExitCode.USAGE
        if as_json:
            print_failure(code, error.format_message())
    except Exception as error:
        code = _fail(*explain(error), as_json=as_json)
        _traceback(error)
    failure = output_failure()
    if failure is not None:
        click.echo(
            f"expunge: Standard output cannot be written ({failure}), so its rest was left out.", err=True
        )
    if is_launched():
        leave_launched()
    sys.exit(int(code or 0))


def keep_out_of_core_dumps() -> None:
    """Have the system write no core dump of this process: its memory holds personal data."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ImportError, OSError, ValueError):
        return


def quieten_libraries() -> None:
    """Keep the bars and warnings of libraries, and of the processes begun here, off the terminal.

    Who asks for warnings, by `python -W` or a library's own variable, gets them.
    """
    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(
        logging.NullHandler()
    )  # else Python writes what nobody handles to the terminal


def _with_help(error: click.ClickException) -> click.ClickException:
    """Return the error, which says of an option that is missing what it is."""
    explained = getattr(getattr(error, "param", None), "help", None)
    if not isinstance(error, click.MissingParameter) or not explained:
        return error
    return click.MissingParameter(explained, ctx=error.ctx, param=error.param)


def _fail(code: ExitCode, cause: str, remedy: str, *, as_json: bool, on_one_line: bool = False) -> ExitCode:
    """Say why there is no result, and return the exit code."""
    cause, remedy = printable(cause), printable(remedy)
    click.echo(f"expunge: {cause}.{' ' if on_one_line else chr(10)}{remedy}.", err=True)
    if as_json:
        print_failure(code, cause, remedy)
    return code


def _traceback(error: BaseException) -> None:
    import traceback

    if os.environ.get("EXPUNGE_TRACEBACK"):
        traceback.print_exception(error)
