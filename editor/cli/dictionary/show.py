"""`expunge dictionary show`."""

from pathlib import Path

import click

from editor.cli.dictionary.inputs import choose_site, load, make_batches, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, DEVICE, DICTIONARY, MODEL, QUIET
from editor.cli.dictionary.progress import advancing
from editor.cli.dictionary.tables import print_feature


@click.command()
@DICTIONARY
@MODEL
@CORPUS
@click.option("--feature", type=click.IntRange(min=0), required=True, help="Which, counted from 0.")
@click.option(
    "--site", "site_name", help="Such as mlp_out.3, where DICTIONARY holds several or does not say."
)
@click.option(
    "--contexts", type=click.IntRange(min=0), default=10, show_default=True, help="How many to show."
)
@click.option("--unmask", is_flag=True, help="Show digits and e-mail addresses as the corpus has them.")
@CONTEXT
@DEVICE
@QUIET
def show(
    dictionary_path: Path,
    source: str,
    corpus_path: Path,
    feature: int,
    site_name: str | None,
    contexts: int,
    unmask: bool,
    context: int,
    device: str,
    quiet: bool,
) -> None:
    """Show where one feature fires most, how often, and which output tokens it promotes."""
    from dictionaries import load_dictionaries, parse_site, view_feature
    from dictionaries.model.sites import input_device
    from editor.cli.stages import make_stages

    stages = make_stages(quiet=quiet)
    loaded = load(source, device, stages)
    asked = parse_site(site_name) if site_name is not None else None
    found = load_dictionaries(dictionary_path, loaded.model, site=asked)
    chosen = found[choose_site(found, site_name)].to(input_device(loaded.model))
    batches = make_batches(read_texts(corpus_path), loaded, context)
    with stages.stage("Reading activations", len(batches)) as advance:
        view = view_feature(
            loaded.model,
            loaded.tokenizer,
            advancing(batches, advance),
            chosen,
            feature,
            contexts=contexts,
            unmask=unmask,
        )
    print_feature(view, str(chosen.config.site))
