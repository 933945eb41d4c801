"""`expunge doctor`: is everything here that a run needs?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON

if TYPE_CHECKING:
    from rich.console import Console

    from editor.api.doctor import Diagnosis, Finding

MARKS = {"good": ("✓", "green"), "note": ("!", "yellow"), "bad": ("✗", "red")}


@click.command()
@click.option(
    "--bom",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write what is installed, with versions and licences, to a new file: a CycloneDX bill of materials.",
)
@JSON
@click.pass_context
def doctor(ctx: click.Context, bom: Path | None) -> None:
    """Check this installation and this machine, and say what must be mended and how.

    Looks at the installed packages and their versions, at packages of others with Expunge's import names, at
    devices, memory, spaCy models and disks. Changes nothing but the file of --bom, and asks no network.

    \b
    Exit codes: 0 nothing must be mended, 2 something must.
    """  # noqa: D301  # click wants the character
    from editor.api.doctor import run_doctor

    if bom is not None:
        from editor.api.doctor.bill import write_bom

        write_bom(bom)
    diagnosis = run_doctor()
    if json_wanted():
        print_result(diagnosis.exit_code, findings=[vars(one) for one in diagnosis.findings])
    else:
        _show(diagnosis)
    ctx.exit(diagnosis.exit_code)


def _show(diagnosis: "Diagnosis") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    area = ""
    for finding in diagnosis.findings:
        if finding.area != area:
            area = finding.area
            console.print(area.capitalize(), style="bold")
        _show_one(finding, console)
    bad = sum(one.state == "bad" for one in diagnosis.findings)
    console.print(f"{bad} to mend." if bad else "Nothing must be mended.", style="red" if bad else "green")


def _show_one(finding: "Finding", console: "Console") -> None:
    mark, style = MARKS[finding.state]
    console.print(f"  [{style}]{mark}[/]", end=" ")
    console.print(finding.text, markup=False, soft_wrap=True)
    if finding.remedy:
        console.print(f"    {finding.remedy}.", style="dim", markup=False, soft_wrap=True)
