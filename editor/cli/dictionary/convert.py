"""`expunge dictionary convert`."""

from pathlib import Path
from typing import Any

import click


class FormatName(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """A format that can be written; the table of them is imported when it is needed."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """The names, for help."""
        from dictionaries.formats import writable

        return f"[{'|'.join(writable())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a name."""
        from dictionaries.formats import writable

        if value not in writable():
            self.fail(f"{value!r} is not one of {', '.join(writable())}.", param, ctx)
        return str(value)


@click.command()
@click.argument("source", metavar="DICTIONARY")
@click.option(
    "--to", "target", type=FormatName(), default="expunge", show_default=True, help="Format to write."
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The folder to write to.")
@click.option("--site", "site_name", help="What it reads, such as mlp_out.3, where its files do not say.")
@click.option(
    "--input-scale",
    type=float,
    help="By how much its activations were multiplied, where its files do not say.",
)
@click.option("--overwrite", is_flag=True, help="Replace a dictionary of that format in the output folder.")
def convert(
    source: str,
    target: str,
    output: Path,
    site_name: str | None,
    input_scale: float | None,
    overwrite: bool,
) -> None:
    """Write dictionaries in another format.

    DICTIONARY is a folder or file of Expunge, SAELens, dictionary_learning, sparsify, Gemma Scope, Llama Scope or
    the BAE reference code, or a name on the hub with the folder in it: owner/name/layer_20/width_16k. Several
    dictionaries get a folder each.
    """
    from dictionaries import export_dictionaries, load_dictionaries, parse_site
    from editor.cli.closing import shown

    site = parse_site(site_name) if site_name is not None else None
    found = load_dictionaries(source, site=site, input_scale=input_scale)
    places = export_dictionaries(found, output, target, overwrite=overwrite)
    for where, folder in places.items():
        one = found[where]
        click.echo(
            f"{where}: {one.architecture}, width {one.config.width}, {one.config.features:,} features, "
            f"as {target} in {shown(folder)}"
        )
