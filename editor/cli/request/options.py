"""Options that the commands about requests share. Today's date enters here, and nowhere else."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


class Day(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """A day, such as 2026-01-31."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read a day."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date such as 2026-01-31.", param, ctx)


def folder_option(command: F) -> F:
    """Add the folder of requests."""
    return click.option(
        "--folder",
        type=click.Path(path_type=Path),
        default=Path("requests"),
        show_default=True,
        help="The folder of requests.",
    )(command)


def today_option(command: F) -> F:
    """Add today's date, for a command whose outcome depends on it."""
    return click.option(
        "--today", type=Day(), default=date.today, help="Today's date.  [default: the clock's]"
    )(command)


def names_option(command: F) -> F:
    """Add whether names are shown."""
    return click.option("--names", is_flag=True, help="Show names, which are personal data.")(command)


def case_key_option(command: F) -> F:
    """Add the key of a run's labels."""
    return click.option(
        "--case-key",
        type=click.Path(path_type=Path),
        help="Key of the labels in the run's report.  [default: beside its folder]",
    )(command)
