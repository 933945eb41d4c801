"""`expunge dictionary`: train, evaluate, look into and convert dictionaries. A command is a file, entered here."""

import click

from editor.cli.dictionary.comsem import comsem
from editor.cli.dictionary.convert import convert
from editor.cli.dictionary.entropy import entropy
from editor.cli.dictionary.evaluate import evaluate
from editor.cli.dictionary.show import show
from editor.cli.dictionary.train import train


@click.group()
def dictionary() -> None:
    """Train, evaluate, look into and convert dictionaries of a model's activations."""


for command in (train, evaluate, show, comsem, entropy, convert):
    dictionary.add_command(command)
