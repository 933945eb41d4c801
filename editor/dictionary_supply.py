"""Dictionaries for a run: loaded and checked, or trained on the corpus where none is named."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dictionaries import (
    ARCHITECTURES,
    Dictionary,
    decoder_layers,
    evaluate_dictionaries,
    load_dictionaries,
    save_dictionaries,
    token_batches,
    train_dictionaries,
)
from dictionaries.model.sites import Site, writing_sites
from editor.case import Case
from editor.model.loading import LoadedModel
from editor.progress import Stages
from editor.questions.retained import split_documents
from editor.results.report import DictionaryRow

DEFAULT_ARCHITECTURE = "gated"
QUALITY_DOCUMENTS = 200


@dataclass(frozen=True, kw_only=True)
class DictionarySupply:
    """Dictionaries and how good they are.

    Attributes:
        dictionaries: dictionary of each site that may be edited, on the model's device.
        quality: evaluation of the dictionaries on retained text held out from the edit.
    """

    dictionaries: Mapping[Site, Dictionary]
    quality: tuple[DictionaryRow, ...]


NO_DICTIONARIES = DictionarySupply(dictionaries={}, quality=())


def supply_dictionaries(
    case: Case,
    loaded: LoadedModel,
    path: Path | None,
    output: Path,
    stages: Stages,
    *,
    site: Site | None = None,
) -> DictionarySupply:
    """Load the dictionaries at `path`; without one, train Gated SAEs of every MLP and keep them in the output.

    `site` is what the one at `path` reads where its files do not say; of several, the one to use.

    Raises:
        DictionaryError: the folder holds no usable dictionary for this model, or one of a site that no projection
            writes.
    """
    if path is None:
        found = _train(case, loaded, stages)
        save_dictionaries(found, output / "dictionaries")
    else:
        with stages.stage("Loading dictionaries"):
            found = load_dictionaries(path, loaded.model, site=site)
            for read in found:
                writing_sites(read)
    dictionaries = {site: dictionary.to(loaded.device).eval() for site, dictionary in found.items()}
    with stages.stage("Evaluating dictionaries"):
        quality = _quality(case, loaded, dictionaries)
    return DictionarySupply(dictionaries=dictionaries, quality=quality)


def _train(case: Case, loaded: LoadedModel, stages: Stages) -> Mapping[Site, Dictionary]:
    fitting, _ = split_documents(case.documents, case.seed)
    texts = [document.text for document in fitting]
    batches = list(token_batches(texts, loaded.tokenizer, context=loaded.context_length))
    sites = [Site(layer) for layer in range(len(decoder_layers(loaded.model)))]
    config = replace(ARCHITECTURES[DEFAULT_ARCHITECTURE].defaults, seed=case.seed)
    with stages.stage("Training Gated SAEs", config.steps) as advance:
        done = 0

        def progress(what: str, step: int, _: int) -> None:
            nonlocal done
            if what != "activations":
                advance(step - done)
                done = step

        return train_dictionaries(
            loaded.model,
            batches,
            sites,
            DEFAULT_ARCHITECTURE,
            config,
            model_name=loaded.source,
            progress=progress,
        ).dictionaries


def _quality(
    case: Case, loaded: LoadedModel, dictionaries: Mapping[Site, Dictionary]
) -> tuple[DictionaryRow, ...]:
    _, held_out = split_documents(case.documents, case.seed)
    texts = [document.text for document in held_out[:QUALITY_DOCUMENTS]]
    if not texts:
        return ()
    batches = list(token_batches(texts, loaded.tokenizer, context=loaded.context_length))
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
