"""`expunge dictionary`: train, evaluate and look into dictionaries. A command is a file, entered here."""

import click

from editor.cli.dictionary.entropy import entropy
from editor.cli.dictionary.evaluate import evaluate
from editor.cli.dictionary.show import show
from editor.cli.dictionary.train import train


@click.group()
def dictionary() -> None:
    """Train, evaluate and look into dictionaries of a model's activations."""


for command in (train, evaluate, show, entropy):
    dictionary.add_command(command)
