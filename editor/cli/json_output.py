"""`--json`: what came of a command, or why nothing did, as one JSON object on standard output."""

import json
import math
from collections.abc import Mapping
from typing import Any

import click

from policies.errors import ExitCode

KEY = "editor.cli.json_output"
"""Where click's context keeps whether JSON is wanted."""


def json_wanted() -> bool:
    """Return whether the command that runs was given --json."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(KEY))


def print_result(code: int, **content: Any) -> None:
    """Print a command's result: its name, the exit code it ends with, and what it found."""
    context = click.get_current_context()
    command = context.command_path.partition(" ")[2]
    _print({"command": command, "exit_code": int(code), **content})


def print_failure(code: ExitCode, cause: str, remedy: str | None = None) -> None:
    """Print why a command has no result. Cause and remedy hold no personal data."""
    _print({"exit_code": int(code), "error": {"cause": cause, "remedy": remedy}})


def _print(content: Mapping[str, Any]) -> None:
    click.echo(json.dumps(_plain(content), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return values that JSON has: numbers that are none become null, and what it does not know its text."""
    if hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
