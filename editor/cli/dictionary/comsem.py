"""`expunge dictionary comsem`."""

import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary.inputs import check, labelled, load, make_batches, read_texts
from editor.cli.dictionary.options import CONTEXT, CORPUS, MODEL, SITE
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_comsem
from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import BATCH_SIZE, JSON, OVERWRITE, QUIET, loading_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from dictionaries import Site
    from dictionaries.evaluation.comsem import ComSem
    from dictionaries.evaluation.judges import Judge
    from editor.progress import Stages

BUILT_IN = "builtin"


@click.command()
@click.argument(
    "dictionary_paths", metavar="DICTIONARY...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@MODEL
@CORPUS
@SITE
@click.option(
    "--judge",
    "judge_source",
    default=BUILT_IN,
    show_default=True,
    help="builtin, or a chat model: a checkpoint folder or a hub name.",
)
@click.option(
    "--features",
    type=click.IntRange(min=1),
    help="Features of each dictionary to judge, drawn by the seed.  [default: all]",
)
@click.option(
    "--shown",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Passages that a feature is named by.",
)
@click.option(
    "--held-back",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Passages to judge by the name, among as many random ones.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0.5, 1, min_open=True),
    default=0.8,
    show_default=True,
    help="Share of right answers from which a feature is interpretable.",
)
@click.option(
    "--controls",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Pseudo-features of random passages, to show what chance gives.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path), help="A folder for comsem.json, with every feature."
)
@OVERWRITE
@CONTEXT
@BATCH_SIZE
@loading_options
@QUIET
@JSON
def comsem(
    dictionary_paths: tuple[Path, ...],
    source: str,
    corpus_path: Path,
    site: "Site | None",
    judge_source: str,
    features: int | None,
    shown: int,
    held_back: int,
    threshold: float,
    controls: int,
    seed: int,
    output: Path | None,
    overwrite: bool,
    context: int,
    quiet: bool,
    **loading: Any,
) -> None:
    """Count the features of dictionaries that can be named so that the name holds (ComSem).

    A judge names what the passages of a feature's largest values have in common, and is then asked which of other
    such passages, mixed with random ones, the name fits. The built-in judge knows tokens, words and their stems,
    numerals by length and place, entities by shape, neighbours and positions. Names may quote words of the corpus;
    digits and e-mail addresses they never do.
    """
    from dictionaries import load_dictionaries
    from dictionaries.evaluation.comsem import ComSemSettings
    from dictionaries.evaluation.comsem import comsem as judge_features
    from editor.api.stages import make_stages
    from editor.artefacts.output import OutputFolder

    stages = make_stages(quiet=quiet)
    settings = ComSemSettings(
        features=features,
        shown=shown,
        held_back=held_back,
        threshold=threshold,
        controls=controls,
        seed=seed,
    )
    with ExitStack() as stack:
        folder = None
        if output is not None:
            inputs = {"model": source, "corpus": str(corpus_path), "judge": judge_source}
            reads: list[Path | str] = [source, corpus_path, judge_source, *dictionary_paths]
            made = OutputFolder(output, overwrite=overwrite, inputs=inputs, seed=seed, reads=reads)
            folder = stack.enter_context(made)
        check(corpus_path, *dictionary_paths)
        loaded = load(source, stages, **loading)
        found = {path: load_dictionaries(path, loaded.model, site=site) for path in dictionary_paths}
        judge = _judge(judge_source, stages, **{**loading, "revision": None})
        batches = make_batches(read_texts(corpus_path), loaded, context)
        with showing(stages) as progress:
            rows = judge_features(
                loaded.model, loaded.tokenizer, batches, labelled(found), judge, settings, progress=progress
            )
        if folder is not None:
            text = json.dumps(
                {name: comsem_values(one) for name, one in rows.items()}, indent=2, sort_keys=True
            )
            folder.write_text("comsem.json", text + "\n")
    if json_wanted():
        print_result(
            ExitCode.MET, dictionaries={name: comsem_values(one) for name, one in rows.items()}, output=output
        )
        return
    print_comsem(rows)
    if output is not None:
        click.echo(f"Every feature: {output / 'comsem.json'}")


def _judge(source: str, stages: "Stages", **loading: Any) -> "Judge":
    if source == BUILT_IN:
        from dictionaries.evaluation.judges import TraitJudge

        return TraitJudge()
    from dictionaries.evaluation.chat_judge import ChatJudge

    loaded = load(source, stages, **loading)
    return ChatJudge(loaded.model, loaded.tokenizer)


def comsem_values(result: "ComSem") -> dict[str, Any]:
    """Return a result as plain values, each feature included."""
    low, high = result.interval
    return {
        **asdict(result),
        "site": str(result.site),
        "interpretable": result.interpretable,
        "count": result.count,
        "count_low": low,
        "count_high": high,
    }
