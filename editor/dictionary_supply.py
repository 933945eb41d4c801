"""Dictionaries for a run: loaded and checked, or trained on the corpus where none is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dictionaries import (
    ARCHITECTURES,
    Dictionary,
    TokenBatch,
    evaluate_dictionaries,
    load_dictionaries,
    save_dictionaries,
    token_batches,
    train_dictionaries,
)
from dictionaries.model.sites import Site, parse_site, resolve, writing_sites
from editor.case import Case
from editor.kept_work import NOTHING_KEPT, Form, KeptWork, json_form
from editor.layer_choice import choose_layers
from editor.model.loading import LoadedModel
from editor.processes import group
from editor.progress import Stages
from editor.questions.retained import split_documents
from editor.results.edits import DictionaryRow, LayerChoice

DEFAULT_ARCHITECTURE = "gated"
QUALITY_DOCUMENTS = 200
CONTEXT_TOKENS = 1_024
"""Longest row of tokens that is read for dictionaries, less where the model's context is shorter."""
FEATURES = 1_024
"""Fewest features of a dictionary."""
FEATURES_A_DIMENSION = 16 / 3
TOKENS_A_FEATURE = 4
"""Fewest tokens of the corpus for each feature beyond `FEATURES`: fewer train none."""


@dataclass(frozen=True, kw_only=True)
class DictionarySupply:
    """Dictionaries and how good they are.

    Attributes:
        dictionaries: dictionary of each site that may be edited, on the model's device.
        quality: evaluation of the dictionaries on retained text held out from the edit.
        choice: layers that they were trained for; None where they were given.
    """

    dictionaries: Mapping[Site, Dictionary]
    quality: tuple[DictionaryRow, ...]
    choice: LayerChoice | None = None


NO_DICTIONARIES = DictionarySupply(dictionaries={}, quality=())


def supply_dictionaries(
    case: Case,
    loaded: LoadedModel,
    path: Path | None,
    output: Path,
    stages: Stages,
    *,
    site: Site | None = None,
    work: KeptWork = NOTHING_KEPT,
) -> DictionarySupply:
    """Load the dictionaries at `path`; without one, train Gated SAEs of MLPs and keep them in the output.

    Of a model with many layers, those are trained for that carry the facts (`editor.layer_choice`).

    `site` is what the one at `path` reads where its files do not say; of several, the one to use. What is trained is
    `work` that a run which is resumed need not do again.

    Raises:
        DictionaryError: the folder holds no usable dictionary for this model, or one of a site that no projection
            writes.
    """
    choice = None
    if path is None:
        choice = choose_layers(case, loaded, stages, work)
        found = _train(case, loaded, [parse_site(site) for site in choice.sites], stages, work)
        group().share("dictionaries", lambda: save_dictionaries(found, output / "dictionaries"))
    else:
        with stages.stage("Loading dictionaries"):
            found = load_dictionaries(path, loaded.model, site=site)
            for read in found:
                writing_sites(read)
    dictionaries = {site: dictionary.to(loaded.device).eval() for site, dictionary in found.items()}
    with stages.stage("Evaluating dictionaries"):
        quality = _quality(case, loaded, dictionaries, work)
    return DictionarySupply(dictionaries=dictionaries, quality=quality, choice=choice)


def feature_count(width: int, tokens: int) -> int:
    """Return F for activations of a width: 16/3 d where there are tokens to train as many, `FEATURES` at least.

    Args:
        width: d, the width of the activations.
        tokens: number of tokens that are trained on.
    """
    wanted = min(FEATURES_A_DIMENSION * width, tokens / TOKENS_A_FEATURE)
    return max(FEATURES, int(wanted) // 64 * 64)


def fitting_batches(case: Case, loaded: LoadedModel) -> list[TokenBatch]:
    """Return what dictionaries are trained on: the tokens of the retained text that an edit may see."""
    fitting, _ = split_documents(case.documents, case.seed)
    return _batches(loaded, [document.text for document in fitting])


def _train(
    case: Case, loaded: LoadedModel, sites: Sequence[Site], stages: Stages, work: KeptWork
) -> Mapping[Site, Dictionary]:
    batches = fitting_batches(case, loaded)
    features = feature_count(
        resolve(loaded.model, sites[0]).width, sum(int(batch.counted.sum()) for batch in batches)
    )
    config = replace(ARCHITECTURES[DEFAULT_ARCHITECTURE].defaults, features=features, seed=case.seed)
    with stages.stage("Training Gated SAEs", config.steps) as advance:
        done = 0

        def progress(what: str, step: int, _: int) -> None:
            nonlocal done
            if what != "activations":
                advance(step - done)
                done = step

        def train() -> Mapping[Site, Dictionary]:
            return train_dictionaries(
                loaded.model,
                batches,
                sites,
                DEFAULT_ARCHITECTURE,
                config,
                model_name=loaded.source,
                progress=progress,
            ).dictionaries

        inputs = (batches, sites, config, str(loaded.device))
        return work.once("dictionaries", inputs, _KEPT, train)


def _save(trained: Mapping[Site, Dictionary], folder: Path) -> None:
    save_dictionaries(trained, folder)


def _load(folder: Path) -> Mapping[Site, Dictionary]:
    return load_dictionaries(folder)


def _settle(trained: Mapping[Site, Dictionary]) -> Mapping[Site, Dictionary]:
    return dict(sorted(trained.items()))


_KEPT: Form[Mapping[Site, Dictionary]] = Form(write=_save, read=_load, settle=_settle)


def _batches(loaded: LoadedModel, texts: Sequence[str]) -> list[TokenBatch]:
    context = min(CONTEXT_TOKENS, loaded.context_length)
    return list(token_batches(texts, loaded.tokenizer, context=context))


def _quality(
    case: Case, loaded: LoadedModel, dictionaries: Mapping[Site, Dictionary], work: KeptWork
) -> tuple[DictionaryRow, ...]:
    _, held_out = split_documents(case.documents, case.seed)
    texts = [document.text for document in held_out[:QUALITY_DOCUMENTS]]
    if not texts:
        return ()
    batches = _batches(loaded, texts)

    def evaluate() -> tuple[DictionaryRow, ...]:
        found = evaluate_dictionaries(loaded.model, batches, dictionaries, cross_entropy=False)
        return tuple(
            DictionaryRow(
                site=str(site),
                architecture=result.architecture,
                features=result.features,
                explained_variance=result.explained_variance,
                l0=result.l0,
                relative_reconstruction_bias=result.gamma,
                alive=result.alive / result.features,
            )
            for site, result in sorted(found.items())
        )

    inputs = (batches, [(site, one.config, one) for site, one in sorted(dictionaries.items())])
    rows: tuple[DictionaryRow, ...] = work.once(
        "quality", inputs, json_form(tuple[DictionaryRow, ...]), evaluate
    )
    return rows
