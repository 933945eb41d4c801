"""`expunge dictionary evaluate`."""

import json
import math
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.inputs import check, labelled, load, make_batches, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, MODEL, SITE
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_evaluations
from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import BATCH_SIZE, JSON, OVERWRITE, QUIET, loading_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dictionaries import Dictionary, Evaluation, Site, TokenBatch
    from dictionaries.model.splice import Key
    from editor.artefacts.output import OutputFolder
    from editor.model.loading import LoadedModel
    from editor.progress import Stages


@click.command()
@click.argument(
    "dictionary_paths", metavar="DICTIONARY...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@MODEL
@CORPUS
@SITE
@click.option("--no-cross-entropy", is_flag=True, help="Leave out the model passes with spliced activations.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="A folder for the figures and evaluation.json."
)
@OVERWRITE
@CONTEXT
@BATCH_SIZE
@loading_options
@QUIET
@JSON
def evaluate(
    dictionary_paths: tuple[Path, ...],
    source: str,
    corpus_path: Path,
    site: "Site | None",
    no_cross_entropy: bool,
    output: Path | None,
    overwrite: bool,
    context: int,
    quiet: bool,
    **loading: Any,
) -> None:
    """Measure how well dictionaries reconstruct a model's activations, best on text kept out of training.

    DICTIONARY is a folder with one dictionary, or with a folder for each layer. Several are put side by side.
    OUTPUT gets the table as evaluation.json, and figures: L0 against the cross-entropy recovered from mean
    ablation, and how many features are on for what share of the tokens.
    """
    from dictionaries import load_dictionaries
    from editor.api.stages import make_stages

    stages = make_stages(quiet=quiet)
    with ExitStack() as stack:
        folder = _output_folder(stack, output, source, corpus_path, dictionary_paths, overwrite=overwrite)
        check(corpus_path, *dictionary_paths)
        loaded = load(source, stages, **loading)
        found = {path: load_dictionaries(path, loaded.model, site=site) for path in dictionary_paths}
        batches = make_batches(read_texts(corpus_path), loaded, context)
        rows = evaluate_each(loaded, batches, labelled(found), stages, cross_entropy=not no_cross_entropy)
        if folder is not None:
            _write(rows, folder)
    if json_wanted():
        print_result(
            ExitCode.MET, dictionaries={name: figures_of(one) for name, one in rows.items()}, output=output
        )
        return
    print_evaluations(rows)
    if output is not None:
        click.echo(f"Figures: {output}")


def _output_folder(
    stack: ExitStack,
    output: Path | None,
    source: str,
    corpus_path: Path,
    dictionary_paths: "Iterable[Path]",
    *,
    overwrite: bool,
) -> "OutputFolder | None":
    from editor.artefacts.output import OutputFolder

    if output is None:
        return None
    inputs = {"model": source, "corpus": str(corpus_path)}
    reads: list[Path | str] = [source, corpus_path, *dictionary_paths]
    return stack.enter_context(OutputFolder(output, overwrite=overwrite, inputs=inputs, reads=reads))


def _write(rows: "dict[str, Evaluation]", folder: "OutputFolder") -> None:
    from editor.report.figures.dictionaries import density_figure, recovered_figure, save_figure

    text = json.dumps({name: figures_of(one) for name, one in rows.items()}, indent=2, sort_keys=True)
    folder.write_text("evaluation.json", text + "\n")
    recovered = recovered_figure(rows)
    if recovered is not None:
        save_figure(recovered, folder.path, "recovered")
    save_figure(density_figure(rows), folder.path, "density")


def figures_of(evaluation: "Evaluation") -> dict[str, Any]:
    """Return an evaluation as plain values, shares recovered included, NaN as null."""
    values: dict[str, Any] = {**asdict(evaluation), "site": str(evaluation.site)}
    cost = evaluation.cross_entropy
    if cost is not None:
        values["cross_entropy"] |= {
            "recovered_from_mean": cost.recovered_from_mean,
            "recovered_from_zero": cost.recovered_from_zero,
            "kl_recovered_from_mean": cost.kl_recovered_from_mean,
            "kl_recovered_from_zero": cost.kl_recovered_from_zero,
        }
    plain: dict[str, Any] = _replace_nan(values)
    return plain


def _replace_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _replace_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def evaluate_each(
    loaded: "LoadedModel",
    batches: "list[TokenBatch]",
    dictionaries: "Mapping[Key, Dictionary]",
    stages: "Stages",
    *,
    cross_entropy: bool = True,
) -> "dict[Key, Evaluation]":
    """Evaluate dictionaries together while the terminal shows progress."""
    from dictionaries import evaluate_dictionaries

    with showing(stages) as progress:
        return evaluate_dictionaries(
            loaded.model, batches, dictionaries, cross_entropy=cross_entropy, progress=progress
        )
