"""`expunge request`: a folder of erasure requests, kept as work. A command is a file, entered here."""

import click

from editor.cli.request.close import close
from editor.cli.request.extend import extend
from editor.cli.request.letter import letter
from editor.cli.request.listing import list_requests
from editor.cli.request.new import new
from editor.cli.request.show import show


@click.group()
def request() -> None:
    """Keep erasure requests in a folder: open, list, extend and close them, and write letters.

    The answer is due one month after a request came in (Art. 12(3) GDPR). `expunge erase --requests` erases all that
    wait.
    """


for command in (new, list_requests, show, extend, close, letter):
    request.add_command(command)
