"""`expunge request new`: open a request."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON
from editor.cli.request.options import Day, folder_option, today_option


@click.command()
@folder_option
@click.option("--subject", required=True, help="The data subject's full name.")
@click.option("--alias", "aliases", multiple=True, help="Another form of the name; repeatable.")
@click.option("--email", "emails", multiple=True, help="An e-mail address of the person; repeatable.")
@click.option(
    "--born", type=Day(), help="Date of birth, where somebody else has that name, such as 1980-05-17."
)
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A YAML file of what the person handed in, such as PHONE_NUMBER: '415-555-0101'; - reads standard input.",
)
@click.option(
    "--entity-type",
    "entity_types",
    multiple=True,
    help="A kind of data that is to go; repeatable.  [default: all that the policy calls personal]",
)
@click.option("--received", type=Day(), help="Day on which the request came in.  [default: today]")
@click.option("--extend", metavar="REASON", help="Take two further months for the answer, and say why.")
@click.option("--case", "identifier", help="Identifier of the case.  [default: a random one]")
@JSON
@today_option
def new(
    folder: Path, subject: str, secrets: Path | None, today: date, received: date | None, **options: Any
) -> None:
    """Open a request of a data subject.

    Its files are readable by you alone.
    """
    from editor.casework.folder import REQUEST_FILE, RequestFolder
    from policies import Subject
    from policies.reading import build

    person = {"name": subject, "aliases": options["aliases"], "email": options["emails"]}
    person |= {"born": options["born"]} if options["born"] else {}
    person |= {"secrets": _read_secrets(secrets)} if secrets else {}
    case = RequestFolder(folder).add(
        build(Subject, person, "of the command line", "data subject"),
        received=received or today,
        today=today,
        entity_types=options["entity_types"],
        identifier=options["identifier"],
        extension=options["extend"],
    )
    if json_wanted():
        print_result(0, case=case.id, deadline=case.deadline, request=case.path / REQUEST_FILE)
        return
    click.echo(f"{case.id} is open. The answer is due by {case.deadline}.")
    click.echo(
        f"Erase it with --request {case.path / REQUEST_FILE}, or all that wait with --requests {folder}"
    )


def _read_secrets(path: Path) -> dict[str, Any]:
    from policies.errors import PolicyError
    from policies.reading import parse_yaml, read_yaml

    what = "file of secrets"
    if str(path) != "-":
        return read_yaml(path, what)
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PolicyError("Standard input is not UTF-8 text", f"Give a {what} in YAML") from None
    return parse_yaml(text, "of standard input", what)
