"""Inputs of the dictionary commands: model, corpus, layers and sites."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policies.errors import CorpusError, DictionaryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dictionaries import Dictionary, Site, TokenBatch
    from editor.model.loading import LoadedModel
    from editor.progress import Stages


LOADING = ("device", "revision", "dtype", "trust_remote_code")
"""Options for how a model is loaded, as `load` takes them."""


def load(source: str, stages: "Stages", **loading: Any) -> "LoadedModel":
    """Load the model. `loading` holds keywords of `load_model`: what `loading_options` and `--batch-size` gave."""
    from editor.model.loading import load_model

    with stages.stage("Loading the model"):
        return load_model(source, **loading)


def check(corpus: Path, *dictionaries: Path) -> None:
    """Refuse a corpus or dictionaries that are not there, before a model is loaded.

    Raises:
        CorpusError: there is no such corpus.
        DictionaryError: no dictionary is found.
    """
    from detectors import read_corpus
    from dictionaries.formats import find_dictionaries

    read_corpus(corpus)
    for path in dictionaries:
        find_dictionaries(path)


def read_texts(path: Path) -> list[str]:
    """Read the corpus, one text for each document.

    Raises:
        CorpusError: a part of it cannot be read.
    """
    from detectors import read_corpus

    texts = []
    for document in read_corpus(path):
        if document.problems and not document.text:
            raise CorpusError(
                f"The corpus {path} cannot be read to its end: {document.problems[0]} ({document.place})",
                "Correct it, or leave it out, such as by a pattern of the files to read",
            )
        texts.append(document.text)
    return texts


def make_batches(texts: list[str], loaded: "LoadedModel", context: int) -> "list[TokenBatch]":
    """Make token batches of texts: no row longer than the model reads, no more rows than its batch size allows."""
    from dictionaries import token_batches

    context = min(context, loaded.context_length)
    rows = {} if loaded.batch_size is None else {"batch_size": max(1, loaded.batch_size // context)}
    return list(token_batches(texts, loaded.tokenizer, context=context, **rows))


def hold_out_texts(texts: list[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Split documents into those to train on and those to judge by; return all of them twice where the share is 0.

    Raises:
        CorpusError: no document is left to train on.
    """
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


def parse_layers(layers: str, stream: Any, loaded: "LoadedModel") -> "list[Site]":
    """Return sites of one stream: `all`, or layers and ranges of layers, counted from 0.

    Raises:
        BadParameter: a part is neither a layer, a range nor `all`.
        DictionaryError: the model lacks a layer.
    """
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
    sites = [Site(layer, stream) for layer in sorted(wanted)]
    for site in sites:
        resolve(loaded.model, site)
    return sites


def only_site(found: "Mapping[Site, Any]") -> "Site":
    """Return the site of the only dictionary there is.

    Raises:
        DictionaryError: there are several.
    """
    if len(found) > 1:
        names = ", ".join(map(str, found))
        raise DictionaryError(f"The folder holds dictionaries for {names}", "Say which by --site")
    return next(iter(found))


def labelled(found: "dict[Path, dict[Site, Dictionary]]") -> "dict[str, Dictionary]":
    """Map labels to dictionaries: the name of the folder, and the site where the folder holds several."""
    names = len({path.resolve().name for path in found}) == len(found)
    labelled = {}
    for path, dictionaries in found.items():
        label = path.resolve().name if names else str(path)
        for site, one in dictionaries.items():
            labelled[label if label == str(site) else f"{label}/{site}"] = one
    return labelled
