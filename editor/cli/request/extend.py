"""`expunge request extend`: two further months for the answer."""

from datetime import date
from pathlib import Path

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON
from editor.cli.request.options import folder_option, today_option


@click.command()
@click.argument("identifier", metavar="ID")
@folder_option
@click.option("--reason", required=True, help="Why the answer takes longer, as the data subject is told.")
@JSON
@today_option
def extend(identifier: str, folder: Path, reason: str, today: date) -> None:
    """Take two further months for the request ID.

    The data subject is told within the first month (Art. 12(3) GDPR).
    """
    from editor.casework.folder import RequestFolder

    case = RequestFolder(folder).case(identifier).extend(reason, today)
    if json_wanted():
        print_result(0, case=case.id, deadline=case.deadline)
        return
    click.echo(f"{case.id}: the answer is due by {case.deadline}. Tell the data subject, and the reason.")
