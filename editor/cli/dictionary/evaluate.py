"""`expunge dictionary evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.inputs import load, make_batches, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, DEVICE, MODEL, QUIET
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_evaluations

if TYPE_CHECKING:
    from dictionaries import Evaluation, Site, TokenBatch
    from editor.model import LoadedModel
    from editor.progress import Stages


@click.command()
@click.argument(
    "dictionary_paths", metavar="DICTIONARY...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@MODEL
@CORPUS
@click.option("--no-cross-entropy", is_flag=True, help="Leave out the model passes with spliced activations.")
@CONTEXT
@DEVICE
@QUIET
def evaluate(
    dictionary_paths: tuple[Path, ...],
    source: str,
    corpus_path: Path,
    no_cross_entropy: bool,
    context: int,
    device: str,
    quiet: bool,
) -> None:
    """Measure how well dictionaries stand for a model's activations, best on text kept out of training.

    DICTIONARY is a folder with one dictionary, or with a folder for each layer.
    """
    from dictionaries import load_dictionaries
    from editor.cli.stages import make_stages

    stages = make_stages(quiet=quiet)
    loaded = load(source, device, stages)
    found = {path: load_dictionaries(path, loaded.model) for path in dictionary_paths}
    batches = make_batches(read_texts(corpus_path), loaded, context)
    rows: dict[str, Evaluation] = {}
    for path, dictionaries in found.items():
        results = evaluate_each(loaded, batches, dictionaries, stages, cross_entropy=not no_cross_entropy)
        label = path.resolve().name if len({one.resolve().name for one in found}) == len(found) else str(path)
        rows |= {label if label == str(site) else f"{label}/{site}": one for site, one in results.items()}
    print_evaluations(rows)


def evaluate_each(
    loaded: "LoadedModel",
    batches: "list[TokenBatch]",
    dictionaries: "dict[Site, Any]",
    stages: "Stages",
    *,
    cross_entropy: bool = True,
) -> "dict[Site, Evaluation]":
    """Evaluate the dictionaries of one folder while the terminal shows how far it is."""
    from dictionaries import evaluate_dictionaries

    with showing(stages) as progress:
        return evaluate_dictionaries(
            loaded.model, batches, dictionaries, cross_entropy=cross_entropy, progress=progress
        )
