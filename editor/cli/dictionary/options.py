"""Options that several of the dictionary commands take."""

from pathlib import Path

import click

from editor.cli.names import SiteName

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
    type=SiteName(),
    help="Site such as mlp_out.3, where DICTIONARY does not say; of several, the one to use.",
)
CONTEXT = click.option(
    "--context", type=click.IntRange(min=2), default=128, show_default=True, help="Most tokens in a row."
)
