"""`expunge dictionary entropy`."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.inputs import check, load, make_batches, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, DICTIONARY, SITE
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_entropies
from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import BATCH_SIZE, JSON, OVERWRITE, QUIET, loading_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from dictionaries import Site
    from dictionaries.evaluation.hidden_entropy import HiddenEntropy
    from editor.artefacts.output import OutputFolder


@click.command()
@click.argument("source", metavar="MODEL")
@DICTIONARY
@CORPUS
@SITE
@click.option(
    "--draws", type=click.IntRange(min=100), default=1000, show_default=True, help="Draws of the bootstrap."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="A folder for the figures and entropy.json.")
@OVERWRITE
@CONTEXT
@BATCH_SIZE
@loading_options
@QUIET
@JSON
def entropy(
    source: str,
    dictionary_path: Path,
    corpus_path: Path,
    site: "Site | None",
    draws: int,
    seed: int,
    output: Path | None,
    overwrite: bool,
    context: int,
    quiet: bool,
    **loading: Any,
) -> None:
    """Measure the entropy of a model's hidden states by layer and position, as binary autoencoders read them.

    In bits, it is the most that it takes to say which features are on. Intervals are 95%, from a bootstrap over
    groups of documents. Compare positions and layers only at similar explained variance: see `evaluate`.
    """
    from dictionaries import load_dictionaries
    from dictionaries.evaluation.hidden_entropy import hidden_entropy
    from editor.api.stages import make_stages
    from editor.artefacts.output import OutputFolder

    stages = make_stages(quiet=quiet)
    with ExitStack() as stack:
        folder = None
        if output is not None:
            inputs = {"model": source, "corpus": str(corpus_path), "dictionary": str(dictionary_path)}
            reads = (source, corpus_path, dictionary_path)
            made = OutputFolder(output, overwrite=overwrite, inputs=inputs, seed=seed, reads=reads)
            folder = stack.enter_context(made)
        check(corpus_path, dictionary_path)
        loaded = load(source, stages, **loading)
        found = load_dictionaries(dictionary_path, loaded.model, site=site)
        batches = make_batches(read_texts(corpus_path), loaded, context)
        with showing(stages) as progress:
            result = hidden_entropy(
                loaded.model,
                batches,
                found,
                context=min(context, loaded.context_length),
                draws=draws,
                seed=seed,
                progress=progress,
            )
        if folder is not None:
            _write(result, folder)
    if json_wanted():
        print_result(ExitCode.MET, **entropy_values(result), output=output)
        return
    print_entropies(result)
    if output is not None:
        click.echo(f"Figures: {output}")


def entropy_values(result: "HiddenEntropy") -> dict[str, Any]:
    """Return entropies as plain values, by layer and by position."""
    return {name: [row._asdict() for row in rows] for name, rows in result._asdict().items()}


def _write(result: "HiddenEntropy", folder: "OutputFolder") -> None:
    from editor.report.figures.dictionaries import entropy_figure, save_figure

    folder.write_text("entropy.json", json.dumps(entropy_values(result), indent=2) + "\n")
    by_layer = entropy_figure(result.by_layer, "Entropy of which features are on, by layer", "layer")
    save_figure(by_layer, folder.path, "entropy-by-layer")
    by_position = entropy_figure(
        result.by_position,
        "Entropy of which features are on, by position",
        "position in the model's input, tokens",
    )
    save_figure(by_position, folder.path, "entropy-by-position")
