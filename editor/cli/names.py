"""Names on the command line that are looked up in tables of modules too heavy to import for help."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dictionaries import Site


class NameIn(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """One of the names of a table, which is imported when it is needed.

    Args:
        name: what the names are of.
        table: imports the table.
    """

    def __init__(self, name: str, table: Callable[[], Iterable[str]]) -> None:
        self.name = name
        self._table = table

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """The names, for help."""
        return f"[{'|'.join(self._table())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a name."""
        names = tuple(self._table())
        if value not in names:
            self.fail(f"{value!r} is not one of {', '.join(names)}.", param, ctx)
        return str(value)


class NamesIn(NameIn):
    """Several of the names of a table, by commas."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """How they are written; help would not have room for all."""
        return "NAME,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check each name."""
        if isinstance(value, tuple):
            return value
        return tuple(super(NamesIn, self).convert(name.strip(), param, ctx) for name in value.split(","))


class SiteName(click.ParamType):  # type: ignore[type-arg]
    """A site of a model, such as mlp_out.3."""

    name = "site"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Site":  # noqa: ARG002
        """Read it.

        Raises:
            DictionaryError: it is no site.
        """
        from dictionaries import Site, parse_site

        return value if isinstance(value, Site) else parse_site(value)


def architectures() -> Iterable[str]:
    """Of dictionaries."""
    from dictionaries import ARCHITECTURES

    return ARCHITECTURES


def formats() -> Iterable[str]:
    """Of dictionaries, that can be written."""
    from dictionaries.formats import writable

    return writable()


def locators() -> Iterable[str]:
    """Of `locate`."""
    from editor.locators.locating import LOCATORS

    return LOCATORS


def arms() -> Iterable[str]:
    """Of `compare`."""
    from editor.comparing.arms import ARMS

    return ARMS
