"""`expunge dictionary`: train, evaluate and look into dictionaries."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.dictionary_tables import print_evaluations, print_feature, print_training
from policies.errors import CorpusError, DictionaryError

if TYPE_CHECKING:
    from dictionaries import Evaluation, Site, TokenBatch, TrainingConfig, TrainingReport
    from editor.model import LoadedModel
    from editor.progress import Advance, Stages

_DICTIONARY = click.argument("dictionary_path", metavar="DICTIONARY", type=click.Path(path_type=Path))
_MODEL = click.option("--model", "source", required=True, help="A checkpoint folder or a hub name.")
_CORPUS = click.option(
    "--corpus",
    "corpus_path",
    type=click.Path(path_type=Path),
    required=True,
    help="Text like the model's training text.",
)
_CONTEXT = click.option(
    "--context", type=click.IntRange(min=2), default=128, show_default=True, help="Tokens a row, at most."
)
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
_QUIET = click.option("--quiet", is_flag=True, help="No progress bars.")


class _Architecture(click.ParamType):  # type: ignore[type-arg]  # not generic in older releases
    """A name in `ARCHITECTURES`, which is imported when it is needed."""

    name = "architecture"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """The names, for help."""
        from dictionaries import ARCHITECTURES

        return f"[{'|'.join(ARCHITECTURES)}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a name."""
        from dictionaries import ARCHITECTURES

        if value not in ARCHITECTURES:
            self.fail(f"{value!r} is not one of {', '.join(ARCHITECTURES)}.", param, ctx)
        return str(value)


@click.group()
def dictionary() -> None:
    """Train, evaluate and look into dictionaries of a model's activations."""


@dictionary.command()
@_MODEL
@_CORPUS
@click.option("--architecture", type=_Architecture(), default="gated", show_default=True)
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
@_CONTEXT
@_DEVICE
@_QUIET
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
        loaded = _load(source, device, stages)
        sites = _sites(layers, loaded)
        texts = _texts(corpus_path)
        seen, unseen = _split(texts, held_out, config.seed)
        with _progress(stages) as progress:
            result = train_dictionaries(
                loaded.model,
                _batches(seen, loaded, context),
                sites,
                architecture,
                config,
                model_name=Path(source).name,
                budget_bytes=int(memory * 2**30),
                progress=progress,
            )
        save_dictionaries(result.dictionaries, folder.path, dtype=store_as)
        evaluations = _evaluate(loaded, _batches(unseen, loaded, context), result.dictionaries, stages)
        _save_figures(folder, result.reports, evaluations)
    print_training(result.reports)
    print_evaluations({str(site): one for site, one in evaluations.items()})
    click.echo(f"Dictionaries: {output}")


@dictionary.command()
@click.argument(
    "dictionary_paths", metavar="DICTIONARY...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@_MODEL
@_CORPUS
@click.option("--no-cross-entropy", is_flag=True, help="Leave out the model passes with spliced activations.")
@_CONTEXT
@_DEVICE
@_QUIET
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
    loaded = _load(source, device, stages)
    found = {path: load_dictionaries(path, loaded.model) for path in dictionary_paths}
    batches = _batches(_texts(corpus_path), loaded, context)
    rows: dict[str, Evaluation] = {}
    for path, dictionaries in found.items():
        results = _evaluate(loaded, batches, dictionaries, stages, cross_entropy=not no_cross_entropy)
        label = path.resolve().name if len({one.resolve().name for one in found}) == len(found) else str(path)
        rows |= {label if label == str(site) else f"{label}/{site}": one for site, one in results.items()}
    print_evaluations(rows)


@dictionary.command()
@_DICTIONARY
@_MODEL
@_CORPUS
@click.option("--feature", type=click.IntRange(min=0), required=True, help="Which, counted from 0.")
@click.option("--site", "site_name", help="Such as mlp_out.3, where DICTIONARY holds several.")
@click.option(
    "--contexts", type=click.IntRange(min=0), default=10, show_default=True, help="How many to show."
)
@click.option("--unmask", is_flag=True, help="Show digits and e-mail addresses as the corpus has them.")
@_CONTEXT
@_DEVICE
@_QUIET
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
    from dictionaries import load_dictionaries, view_feature
    from dictionaries.sites import input_device
    from editor.cli.stages import make_stages

    stages = make_stages(quiet=quiet)
    loaded = _load(source, device, stages)
    found = load_dictionaries(dictionary_path, loaded.model)
    chosen = found[_chosen_site(found, site_name)].to(input_device(loaded.model))
    batches = _batches(_texts(corpus_path), loaded, context)
    with stages.stage("Reading activations", len(batches)) as advance:
        view = view_feature(
            loaded.model,
            loaded.tokenizer,
            _advancing(batches, advance),
            chosen,
            feature,
            contexts=contexts,
            unmask=unmask,
        )
    print_feature(view, str(chosen.config.site))


def _load(source: str, device: str, stages: "Stages") -> "LoadedModel":
    from editor.model import load_model

    with stages.stage("Loading the model"):
        return load_model(source, device=device)


def _texts(path: Path) -> list[str]:
    from detectors import read_corpus

    return [document.text for document in read_corpus(path)]


def _batches(texts: list[str], loaded: "LoadedModel", context: int) -> "list[TokenBatch]":
    from dictionaries import token_batches

    return list(token_batches(texts, loaded.tokenizer, context=min(context, loaded.context_length)))


def _split(texts: list[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Documents to train on and documents to judge by; all of them twice where the share is 0."""
    import random

    if share == 0:
        return texts, texts
    count = max(1, round(share * len(texts)))
    if count >= len(texts):
        raise CorpusError(
            f"A corpus of {len(texts)} documents leaves none to train on", "Give more, or --held-out 0"
        )
    unseen = set(random.Random(seed).sample(range(len(texts)), count))
    return (
        [text for index, text in enumerate(texts) if index not in unseen],
        [text for index, text in enumerate(texts) if index in unseen],
    )


def _sites(layers: str, loaded: "LoadedModel") -> "list[Site]":
    """`all`, or layers and ranges of layers."""
    from dictionaries import Site, decoder_layers, resolve

    count = len(decoder_layers(loaded.model))
    wanted: set[int] = set()
    for part in layers.split(","):
        first, _, last = part.strip().partition("-")
        if part.strip() == "all":
            wanted |= set(range(count))
        elif first.isdecimal() and (not last or last.isdecimal()):
            wanted |= set(range(int(first), int(last or first) + 1))
        else:
            raise click.BadParameter(f"{part!r} is no layer. Write 0,2,5-7 or all.", param_hint="--layers")
    sites = [Site(layer) for layer in sorted(wanted)]
    for site in sites:
        resolve(loaded.model, site)
    return sites


def _chosen_site(found: "dict[Site, Any]", name: str | None) -> "Site":
    from dictionaries import parse_site

    names = ", ".join(map(str, found))
    if name is None and len(found) > 1:
        raise DictionaryError(f"The folder holds dictionaries for {names}", "Say which by --site")
    site = parse_site(name) if name is not None else next(iter(found))
    if site not in found:
        raise DictionaryError(f"There is no dictionary for {site}", f"There is one for {names}")
    return site


def _evaluate(
    loaded: "LoadedModel",
    batches: "list[TokenBatch]",
    dictionaries: "dict[Site, Any]",
    stages: "Stages",
    *,
    cross_entropy: bool = True,
) -> "dict[Site, Evaluation]":
    from dictionaries import evaluate_dictionaries

    with _progress(stages) as progress:
        return evaluate_dictionaries(
            loaded.model, batches, dictionaries, cross_entropy=cross_entropy, progress=progress
        )


_TITLES = {
    "activations": "Reading activations",
    "training": "Training",
    "cross-entropy": "Splicing reconstructions into the model",
}


@contextmanager
def _progress(stages: "Stages") -> "Iterator[Any]":
    """One stage after another from (what, how far, end)."""
    with ExitStack() as stack:
        bar = _Bar(stages, stack)
        yield bar


class _Bar:
    def __init__(self, stages: "Stages", stack: ExitStack) -> None:
        self._stages, self._stack = stages, stack
        self._what, self._done = "", 0
        self._advance: Advance = lambda _: None

    def __call__(self, what: str, done: int, end: int | None) -> None:
        if what != self._what:
            self._stack.close()
            self._what, self._done = what, 0
            self._advance = self._stack.enter_context(self._stages.stage(_TITLES[what], end))
        self._advance(done - self._done)
        self._done = done


def _advancing(batches: "list[TokenBatch]", advance: "Advance") -> "Iterator[TokenBatch]":
    for batch in batches:
        yield batch
        advance(1)


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
