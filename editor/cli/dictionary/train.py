"""`expunge dictionary train`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.evaluate import evaluate_each
from editor.cli.dictionary.inputs import load, make_batches, parse_layers, read_texts, split_documents
from editor.cli.dictionary.options import CONTEXT, CORPUS, DEVICE, MODEL, QUIET, Architecture
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_evaluations, print_training

if TYPE_CHECKING:
    from dictionaries import Evaluation, Site, TrainingConfig, TrainingReport


@click.command()
@MODEL
@CORPUS
@click.option("--architecture", type=Architecture(), default="gated", show_default=True)
@click.option("--layers", default="all", show_default=True, help="Such as 0,2,5-7; counted from 0.")
@click.option("--features", type=click.IntRange(min=1), help="Features.  [default: the architecture's]")
@click.option("--steps", type=click.IntRange(min=1), help="Gradient steps.  [default: the architecture's]")
@click.option("--batch-size", type=click.IntRange(min=1), help="Tokens a step.")
@click.option("--learning-rate", type=float, help="Of Adam, after the warm-up.")
@click.option("--sparsity", type=float, help="Weight of the sparsity term; entropy's for binary.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), help="Of the products in training.")
@click.option(
    "--store-as", type=click.Choice(["float32", "bfloat16"]), default="float32", help="Of matrices on disk."
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.5, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the documents kept for the closing table.",
)
@click.option(
    "--memory",
    type=float,
    default=2.0,
    show_default=True,
    help="GiB for activations; the rest is read again.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--overwrite", is_flag=True, help="Replace the output folder if it exists.")
@CONTEXT
@DEVICE
@QUIET
def train(
    source: str,
    corpus_path: Path,
    architecture: str,
    layers: str,
    store_as: Any,
    held_out: float,
    memory: float,
    output: Path,
    overwrite: bool,
    context: int,
    device: str,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train one dictionary for the MLP output of each layer, all from the same model passes.

    OUTPUT gets a folder for each layer. What the closing table shows is measured on documents that were kept
    out of training.
    """
    from dictionaries import ARCHITECTURES, save_dictionaries, train_dictionaries
    from editor.cli.stages import make_stages
    from editor.output import OutputFolder

    given = {name: value for name, value in settings.items() if value is not None}
    config: TrainingConfig = replace(ARCHITECTURES[architecture].defaults, **given)
    stages = make_stages(quiet=quiet)
    with OutputFolder(
        output, overwrite=overwrite, inputs={"model": source, "corpus": str(corpus_path)}, seed=config.seed
    ) as folder:
        loaded = load(source, device, stages)
        sites = parse_layers(layers, loaded)
        texts = read_texts(corpus_path)
        seen, unseen = split_documents(texts, held_out, config.seed)
        with showing(stages) as progress:
            result = train_dictionaries(
                loaded.model,
                make_batches(seen, loaded, context),
                sites,
                architecture,
                config,
                model_name=Path(source).name,
                budget_bytes=int(memory * 2**30),
                progress=progress,
            )
        save_dictionaries(result.dictionaries, folder.path, dtype=store_as)
        evaluations = evaluate_each(
            loaded, make_batches(unseen, loaded, context), result.dictionaries, stages
        )
        _save_figures(folder, result.reports, evaluations)
    print_training(result.reports)
    print_evaluations({str(site): one for site, one in evaluations.items()})
    click.echo(f"Dictionaries: {output}")


def _save_figures(
    folder: Any, reports: "dict[Site, TrainingReport]", evaluations: "dict[Site, Evaluation]"
) -> None:
    import json

    figures = {
        str(site): {
            "training": asdict(report),
            "held_out": {**asdict(evaluations[site]), "site": str(site)},
        }
        for site, report in reports.items()
    }
    folder.write_text("figures.json", json.dumps(figures, indent=2, sort_keys=True) + "\n")
