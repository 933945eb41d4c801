"""The commands of the command line, groups included, for tests of all of them."""

import click

from editor.cli import cli


def every_command(group=cli, path=()):
    """The words of each command, and the command."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command
