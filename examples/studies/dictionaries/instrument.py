"""The entropy of hidden states as an instrument (Cho et al. 2025): by layer, by position, by memory, by examples.

A binary autoencoder is trained for the residual stream after each layer of each model, and `hidden_entropy`, which
`expunge dictionary entropy` calls, reads text that its training did not see:

- through inference: by layer and by position in the input;
- before and after memorisation: the same sentences about five people, read by a model that was trained on them, by one
  whose training left out just those, and by one with fresh weights. Sentences about five others, which both
  trained models know, are the control;
- examples in context: at the last token of a prompt after 0 to 8 sentences that state the relation asked for. As many
  sentences of other relations are the control, for they move the prompt as far into the input.

Each model has dictionaries of its own: bits of two models compare only as far as both explain alike.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from dictionaries import (
    ARCHITECTURES,
    Dictionary,
    Site,
    TokenBatch,
    evaluate_dictionaries,
    train_dictionaries,
)
from dictionaries.evaluation.hidden_entropy import EntropyRow, hidden_entropy
from examples.studies.dictionaries.intervals import Estimate, estimate, shown
from examples.studies.dictionaries.lab import CONTEXT_TOKENS, Say, batches_of, lab_documents, lab_model
from examples.studies.dictionaries.prompts import (
    erased_people,
    last_token_batches,
    people,
    queries,
    sentences_about,
)
from examples.studies.tables import Table, as_written

MODELS = ("untrained", "reference", "model")
FEWEST_TOKENS = 1000
"""Number of tokens below which a position is left out: a feature not seen on adds no entropy."""


@dataclass(frozen=True, kw_only=True)
class InstrumentStudy:
    """Dictionaries to train, and prompts to read.

    Attributes:
        features: F, the number of features.
        steps: number of training steps.
        price: α_e, the price of entropy.
        examples: numbers of examples that are put in front.
        rounds: number of prompts for each person and relation.
        documents: number of documents of the corpus; all where None.
    """

    features: int = 256
    steps: int = 500
    price: float = 5e-3
    examples: tuple[int, ...] = (0, 1, 2, 4, 8)
    rounds: int = 2
    documents: int | None = None


class Reading(NamedTuple):
    """One entropy of hidden states.

    Attributes:
        what: question: `layer`, `position`, `memory` or `examples`.
        model: model whose hidden states were read.
        text: text that was read.
        seed: seed of the dictionary, of the prompts, and of the untrained model's weights.
        layer: layer after which the stream was read.
        at: mean position for `position`, number of examples for `examples`, else the layer.
        bits: entropy in bits.
        low: lower end of its 95% bootstrap interval over documents.
        high: upper end of that interval.
        tokens: number of tokens read.
    """

    what: str
    model: str
    text: str
    seed: int
    layer: int
    at: float
    bits: float
    low: float
    high: float
    tokens: int


class Fit(NamedTuple):
    """Share of a layer's variance that its dictionary explains, on the text that is read by layer.

    Attributes:
        model: model whose hidden states were read.
        seed: seed of the dictionary.
        layer: layer after which the stream was read.
        explained_variance: share of the variance.
    """

    model: str
    seed: int
    layer: int
    explained_variance: float


class Measured(NamedTuple):
    """All that the study measured.

    Attributes:
        readings: entropies.
        fits: explained variances of the dictionaries that gave them.
    """

    readings: list[Reading]
    fits: list[Fit]


def measure(study: InstrumentStudy, seeds: Sequence[int], say: Say) -> Measured:
    """Train dictionaries and read entropies."""
    measured = Measured([], [])
    training, unseen = _texts(study)
    erased = batches_of(sentences_about(erased_people()))
    others = batches_of(sentences_about(_others()))
    for seed in seeds:
        for name in MODELS:
            say(f"instrument: seed {seed}, {name}")
            model = _model(name, seed)
            trained = _train(study, model, training, seed)
            found = evaluate_dictionaries(model, unseen, trained, cross_entropy=False)
            measured.fits.extend(
                Fit(name, seed, site.layer, as_written(one.explained_variance)) for site, one in found.items()
            )
            reader = _Reader(model, name, trained, seed)
            measured.readings.extend(reader.inference(unseen))
            # The five are known to `model` alone, the five others to `reference` too.
            measured.readings.extend(reader.memory("the five", erased))
            measured.readings.extend(reader.memory("five others", others))
            # Prompts ask about everybody, and this model alone was trained on all of them.
            if name == "model":
                measured.readings.extend(reader.with_examples(study))
    return measured


class _Reader:
    """Reader of one model's entropies, with its dictionaries."""

    def __init__(
        self, model: PreTrainedModel, name: str, dictionaries: Mapping[Site, Dictionary], seed: int
    ) -> None:
        self._model, self._name, self._dictionaries, self._seed = model, name, dictionaries, seed

    def inference(self, batches: list[TokenBatch]) -> list[Reading]:
        """Read unseen text by layer and by position."""
        found = hidden_entropy(self._model, batches, self._dictionaries, context=CONTEXT_TOKENS, draws=200)
        by_layer = [self._reading("layer", "unseen", int(row.at), row.at, row) for row in found.by_layer]
        # A row by position belongs to a series that ends in its layer.
        return by_layer + [
            self._reading("position", "unseen", int(row.series.rpartition(".")[2]), row.at, row)
            for row in found.by_position
            if row.tokens >= FEWEST_TOKENS
        ]

    def memory(self, text: str, batches: list[TokenBatch]) -> list[Reading]:
        """Read sentences about some people, by layer."""
        return [self._reading("memory", text, int(row.at), row.at, row) for row in self._by_layer(batches)]

    def with_examples(self, study: InstrumentStudy) -> list[Reading]:
        """Read the last token of prompts after examples."""
        readings = []
        most = max(study.examples)
        for text, same in (("same relation", True), ("other relations", False)):
            # Drawn once with all examples, so that fewer of them are a part of the same ones.
            asked = queries(most, study.rounds, same_relation=same, seed=self._seed)
            for count in study.examples:
                batches = last_token_batches([query.with_examples(count) for query in asked])
                readings += [
                    self._reading("examples", text, int(row.at), float(count), row)
                    for row in self._by_layer(batches)
                ]
        return readings

    def _by_layer(self, batches: list[TokenBatch]) -> tuple[EntropyRow, ...]:
        """Return the entropy of each layer."""
        return hidden_entropy(
            self._model, batches, self._dictionaries, context=CONTEXT_TOKENS, draws=200
        ).by_layer

    def _reading(self, what: str, text: str, layer: int, at: float, row: EntropyRow) -> Reading:
        """Return a reading with the numbers that its table will hold, so that the file gives the same tables again."""
        at, bits, low, high = map(as_written, (at, row.bits, row.low, row.high))
        return Reading(what, self._name, text, self._seed, layer, at, bits, low, high, row.tokens)


def tables(measured: Measured) -> list[Table]:
    """Return tables of all readings and fits, and of entropy through inference, by memory and by examples."""
    readings = measured.readings
    return [
        Table("instrument-readings", Reading._fields, readings),
        Table("instrument-fits", Fit._fields, measured.fits),
        _by_layer(measured),
        _memory(readings),
        _examples(readings),
    ]


def write_figures(measured: Measured, folder: Path) -> None:
    """Write a figure for each question: means over seeds with 95% t intervals."""
    from editor.report.figures.dictionaries import entropy_figure

    layers = entropy_figure(
        _lines(measured.readings, "layer", lambda one: one.model),
        "Entropy of the residual stream by layer",
        "layer",
    )
    _save(layers, folder, "instrument-layers")
    # Positions and examples are shown of the trained model alone.
    known = [one for one in measured.readings if one.model == "model"]
    positions = entropy_figure(
        _lines(known, "position", lambda one: f"behind layer {one.layer}"),
        "Entropy by position, the trained model",
        "position in the model's input, tokens",
    )
    _save(positions, folder, "instrument-positions")
    memory = entropy_figure(
        _lines(
            [one for one in measured.readings if one.model != "untrained"],
            "memory",
            lambda one: f"{one.text}, {'trained on' if one.model == 'model' else 'the five left out'}",
        ),
        "Entropy on sentences about five people, in training or left out",
        "layer",
    )
    _save(memory, folder, "instrument-memory")
    # The last two layers, where examples change most.
    last = max(one.layer for one in measured.readings)
    examples = entropy_figure(
        _lines(
            [one for one in known if one.layer in {last - 1, last}],
            "examples",
            lambda one: f"{one.text}, behind layer {one.layer}",
        ),
        "Entropy at a prompt's last token, by examples in front",
        "examples in context",
    )
    _save(examples, folder, "instrument-examples")


def _save(figure: Any, folder: Path, name: str) -> None:
    """Write NAME.svg alone."""
    from editor.report.figures.dictionaries import save_figure

    # The README shows the vector graphic alone.
    save_figure(figure, folder, name)
    (folder / f"{name}.png").unlink()


def _texts(study: InstrumentStudy) -> tuple[list[TokenBatch], list[TokenBatch]]:
    """Return batches to train on, without a word about the five; and batches to read, of the other documents."""
    # Every second document, so that both halves are alike.
    documents = lab_documents()[: study.documents]
    mine = [text for text in documents[0::2] if not any(name in text for name in erased_people())]
    return batches_of(_join_pairs(mine)), batches_of(_join_pairs(documents[1::2]))


def _join_pairs(texts: Sequence[str]) -> list[str]:
    """Join texts in pairs, to fill the model's input."""
    return [" ".join(texts[start : start + 2]) for start in range(0, len(texts), 2)]


def _others() -> list[str]:
    """Return five other people, the first by name."""
    return [name for name in people() if name not in erased_people()][:5]


def _model(name: str, seed: int) -> PreTrainedModel:
    """Load a model of the lab, or make one like it with fresh weights."""
    if name != "untrained":
        return lab_model(name)
    # The same architecture, never trained.
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(lab_model().config, dtype=torch.float32).eval()


def _train(
    study: InstrumentStudy, model: PreTrainedModel, training: list[TokenBatch], seed: int
) -> dict[Site, Dictionary]:
    """Train a binary autoencoder for the residual stream after each layer."""
    config = replace(
        ARCHITECTURES["binary"].defaults,
        features=study.features,
        steps=study.steps,
        sparsity=study.price,
        sparsity_warmup_steps=study.steps // 5,
        seed=seed,
    )
    sites = [Site(layer, "resid_post") for layer in range(model.config.num_hidden_layers)]
    return train_dictionaries(model, training, sites, "binary", config).dictionaries


def _over_seeds(readings: Sequence[Reading]) -> tuple[float, Estimate, int]:
    """Return mean place, estimate and mean number of tokens of one point's readings, one for each seed."""
    at = sum(one.at for one in readings) / len(readings)
    tokens = sum(one.tokens for one in readings) // len(readings)
    return at, estimate([one.bits for one in readings]), tokens


def _group(readings: Sequence[Reading], key: Callable[[Reading], Hashable]) -> dict[Any, list[Reading]]:
    """Group readings by a key, in the order in which keys first come."""
    groups: dict[Any, list[Reading]] = {}
    for one in readings:
        groups.setdefault(key(one), []).append(one)
    return groups


def _lines(readings: Sequence[Reading], what: str, line: Callable[[Reading], str]) -> list[EntropyRow]:
    """Return the points of a figure's lines, means over seeds with t intervals.

    Args:
        readings: readings, of all questions.
        what: question of the figure.
        line: name of the line that a reading belongs to.
    """
    chosen = [one for one in readings if one.what == what]
    rows = []
    for (name, _), group in _group(chosen, lambda one: (line(one), round(one.at))).items():
        at, bits, tokens = _over_seeds(group)
        rows.append(EntropyRow(name, at, bits.mean, bits.low, bits.high, tokens))
    return rows


def _by_layer(measured: Measured) -> Table:
    """Return a table of entropy and explained variance by model and layer."""
    rows = []
    chosen = [one for one in measured.readings if one.what == "layer"]
    for (model, layer), group in _group(chosen, lambda one: (one.model, one.layer)).items():
        fits = [one.explained_variance for one in measured.fits if (one.model, one.layer) == (model, layer)]
        rows.append((model, layer, shown(estimate([one.bits for one in group]), 1), shown(estimate(fits), 3)))
    return Table("instrument-layers", ("model", "layer", "entropy, bits", "explained variance"), rows)


def _memory(readings: Sequence[Reading]) -> Table:
    """Return a table of entropy on sentences about some people; differences are taken seed by seed."""
    rows = []
    chosen = [one for one in readings if one.what == "memory"]
    for (text, layer), group in _group(chosen, lambda one: (one.text, one.layer)).items():
        by_model = {name: [one.bits for one in group if one.model == name] for name in MODELS}
        # Readings of both models are in the order of the seeds.
        less = [a - b for a, b in zip(by_model["model"], by_model["reference"], strict=True)]
        rows.append(
            (
                text,
                layer,
                *(shown(estimate(by_model[name]), 1) for name in MODELS),
                shown(estimate(less), 1),
            )
        )
    columns = ("sentences about", "layer", "untrained", "reference", "model", "model - reference")
    return Table("instrument-memory", columns, rows)


def _examples(readings: Sequence[Reading]) -> Table:
    """Return a table of entropy by number of examples; differences are taken seed by seed."""
    rows = []
    chosen = [one for one in readings if one.what == "examples"]
    # Bits without any example, which changes are counted from.
    none = {(one.text, one.layer, one.seed): one.bits for one in chosen if one.at == 0}
    for (layer, at), group in sorted(_group(chosen, lambda one: (one.layer, one.at)).items()):
        same, other = (
            [one for one in group if one.text == text] for text in ("same relation", "other relations")
        )
        change = [one.bits - none[one.text, one.layer, one.seed] for one in same]
        less = [one.bits - another.bits for one, another in zip(same, other, strict=True)]
        rows.append(
            (
                layer,
                round(at),
                shown(estimate([one.bits for one in same]), 1),
                shown(estimate([one.bits for one in other]), 1),
                shown(estimate(change), 1),
                shown(estimate(less), 1),
            )
        )
    columns = ("layer", "examples", "same relation", "other relations", "same - none", "same - other")
    return Table("instrument-examples", columns, rows)
