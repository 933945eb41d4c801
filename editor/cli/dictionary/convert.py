"""`expunge dictionary convert`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import FORMAT_NAMES, NameIn, SiteName
from editor.cli.options import JSON
from policies.errors import ExitCode

if TYPE_CHECKING:
    from dictionaries import Site


@click.command()
@click.argument("source", metavar="DICTIONARY")
@click.option(
    "--to",
    "target",
    type=NameIn("format", FORMAT_NAMES),
    default="expunge",
    show_default=True,
    help="Format to write.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The folder to write to.")
@click.option(
    "--site", type=SiteName(), help="Site that it reads, such as mlp_out.3, where its files do not say."
)
@click.option(
    "--input-scale",
    type=float,
    help="Factor that its activations were multiplied by, where its files do not say.",
)
@click.option("--overwrite", is_flag=True, help="Replace a dictionary of that format in the output folder.")
@JSON
def convert(
    source: str,
    target: str,
    output: Path,
    site: "Site | None",
    input_scale: float | None,
    overwrite: bool,
) -> None:
    """Write dictionaries in another format.

    DICTIONARY is a folder or file of Expunge, SAELens, dictionary_learning, sparsify, Gemma Scope, Llama Scope or
    the BAE reference code, or a name on the hub with the folder in it: owner/name/layer_20/width_16k. Several
    dictionaries get a folder each.
    """
    from dictionaries import export_dictionaries, load_dictionaries
    from editor.cli.closing import shown

    found = load_dictionaries(source, site=site, input_scale=input_scale)
    places = export_dictionaries(found, output, target, overwrite=overwrite)
    if json_wanted():
        print_result(ExitCode.MET, format=target, dictionaries=places)
        return
    for where, folder in places.items():
        one = found[where]
        click.echo(
            f"{where}: {one.architecture}, width {one.config.width}, {one.config.features:,} features, "
            f"as {target} in {shown(folder)}"
        )
