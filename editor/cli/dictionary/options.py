"""Options that several of the dictionary commands take."""

from pathlib import Path
from typing import Any

import click

DICTIONARY = click.argument("dictionary_path", metavar="DICTIONARY", type=click.Path(path_type=Path))
MODEL = click.option("--model", "source", required=True, help="A checkpoint folder or a hub name.")
CORPUS = click.option(
    "--corpus",
    "corpus_path",
    type=click.Path(path_type=Path),
    required=True,
    help="Text like the model's training text.",
)
SITE = click.option(
    "--site",
    "site_name",
    help="Such as mlp_out.3, where DICTIONARY does not say; of several, the one to use.",
)
CONTEXT = click.option(
    "--context", type=click.IntRange(min=2), default=128, show_default=True, help="Tokens a row, at most."
)
DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
QUIET = click.option("--quiet", is_flag=True, help="No progress bars.")


class Architecture(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """A name in `ARCHITECTURES`, which is imported when it is needed."""

    name = "architecture"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """The names, for help."""
        from dictionaries import ARCHITECTURES

        return f"[{'|'.join(ARCHITECTURES)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a name."""
        from dictionaries import ARCHITECTURES

        if value not in ARCHITECTURES:
            self.fail(f"{value!r} is not one of {', '.join(ARCHITECTURES)}.", param, ctx)
        return str(value)
