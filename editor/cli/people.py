"""Data subjects on the command line, where other users can read it: names from a file or standard input instead."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from policies import ErasureRequest

STDIN = "-"
FROM_FILE = "@"
LONGEST = 4_000_000
"""Bytes of a list of names, or of a request, at most."""


class Names(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """A name, or @FILE for the names in the lines of a file, @- for those of standard input."""

    name = "NAME|@FILE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, tuple):
            return value
        given = str(value)
        if not given.startswith(FROM_FILE):
            return (given,)
        source = given.removeprefix(FROM_FILE)
        try:
            text = _read(source).decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            self.fail(f"The names in {source} cannot be read ({reason}).", param, ctx)
        names = tuple(line.strip() for line in text.splitlines() if line.strip())
        if not names:
            self.fail(f"{source} holds no name.", param, ctx)
        return names


class RequestFile(click.ParamType):  # type: ignore[type-arg]
    """The path of an erasure request, or - for one that standard input holds."""

    name = "PATH"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002
        ctx: click.Context | None,  # noqa: ARG002
    ) -> "Path | ErasureRequest":
        """Return the path, or the request that was read.

        Raises:
            PolicyError: standard input holds no valid request.
        """
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if value != STDIN:
            return Path(value)
        from policies import ErasureRequest
        from policies.errors import PolicyError
        from policies.reading import build, parse_yaml

        what = "erasure request"
        try:
            text = _read(STDIN).decode("utf-8-sig")
        except (OSError, ValueError):
            raise PolicyError(
                f"The {what} from standard input cannot be read", "Give YAML in UTF-8"
            ) from None
        return build(
            ErasureRequest, parse_yaml(text, "from standard input", what), "from standard input", what
        )


def _read(source: str) -> bytes:
    """Return what a file or standard input holds, as far as a list of names or a request may be long."""
    if source == STDIN:
        return sys.stdin.buffer.read(LONGEST)
    with Path(source).open("rb") as stream:
        return stream.read(LONGEST)
