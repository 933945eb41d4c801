"""Names on the command line that are those of tables in modules too heavy to import for help."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dictionaries import Site


ARCHITECTURE_NAMES = ("gated", "binary", "relu", "topk", "batchtopk", "matryoshka", "jumprelu")
"""Architectures of dictionaries: the names of `dictionaries.ARCHITECTURES`."""
DTYPE_NAMES = ("auto", "float32", "bfloat16", "float16")
"""Precisions to compute in: what `editor.model.checks.dtypes` takes."""
PUSHABLE_NAMES = ("checkpoint", "adapter", "report")
"""What can be uploaded: `editor.api.requests.PUSHABLE`."""
FORMAT_NAMES = ("expunge", "sae-lens", "dictionary-learning")
"""Formats that dictionaries can be written in: what `dictionaries.formats.writable` names."""


class NameIn(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """One of some names, all of them shown by help.

    Args:
        name: what the names are of.
        names: those of a table, repeated here so that help need not import it.
    """

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        self.name = name
        self.names = names

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the names, for help."""
        return f"[{'|'.join(self.names)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check a name."""
        if value not in self.names:
            self.fail(f"{value!r} is not one of {', '.join(self.names)}.", param, ctx)
        return str(value)


class NamesIn(click.ParamType):  # type: ignore[type-arg]
    """Several of the names of a table, by commas.

    Args:
        name: what the names are of.
        names: those of a table.
    """

    def __init__(self, name: str, names: Iterable[str]) -> None:
        self.name = name
        self.names = tuple(names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return how the names are written; help would not have room for all."""
        return "NAME,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check each name."""
        if isinstance(value, tuple):
            return value
        one = NameIn(self.name, self.names)
        return tuple(one.convert(name.strip(), param, ctx) for name in value.split(","))


class SiteName(click.ParamType):  # type: ignore[type-arg]
    """A site of a model, such as mlp_out.3."""

    name = "site"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Site":  # noqa: ARG002
        """Read a site.

        Raises:
            DictionaryError: it is no site.
        """
        from dictionaries import Site, parse_site

        return value if isinstance(value, Site) else parse_site(value)
