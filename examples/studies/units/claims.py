"""Measures of a kind of unit: influence on answers, separation of facts, and names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dictionaries import token_batches
from dictionaries.evaluation.comsem import ComSem, ComSemSettings, comsem
from dictionaries.evaluation.judges import TraitJudge
from editor.model.forward import token_log_p
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, batches
from examples.studies.units.kinds import Kind, Unit
from examples.studies.units.lab import Fact, Setting

CONTEXT_TOKENS = 128


@torch.no_grad()
def answer_log_p(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> NDArray[np.float64]:
    """Return the sum of ln p of each sequence's marked tokens, in nats."""
    placed = [replace(sequence, index=place) for place, sequence in enumerate(sequences)]
    sums = torch.zeros(len(placed), dtype=torch.float64)
    for batch in batches(placed, pad=loaded.pad_id, device=loaded.device):
        places = torch.tensor(batch.indices)[batch.rows.cpu()]
        sums.index_add_(0, places, token_log_p(loaded.model, batch).double().cpu())
    return sums.numpy()


def drop(loaded: LoadedModel, kind: Kind, units: Sequence[Unit], asked: Sequence[TokenSequence]) -> float:
    """Return the mean over questions of 1 - p/p₀, p being the whole answer's probability without the units.

    Below 0 where it rises, which counts as tenfold at most; at most 1.

    Args:
        loaded: the model.
        kind: kind of the units.
        units: units to remove at every position.
        asked: questions with their answers marked.
    """
    # ln p₀ and ln p.
    before = answer_log_p(loaded, asked)
    with kind.without(units):
        after = answer_log_p(loaded, asked)
    # 1 - p/p₀ = -(e^(ln p - ln p₀) - 1)
    return float(np.mean(-np.expm1(np.minimum(after - before, np.log(10.0)))))


def separations(
    kind: Kind, located: Sequence[Sequence[Unit]], facts: Sequence[Fact]
) -> list[list[tuple[float, float]]]:
    """Return, for each fact and located unit, how well its activation tells the fact from questions about others.

    AUC, the probability that it departs further from rest in one of the fact's held-out wordings than in a question
    about another person's fact of the relation (0.5: not at all), and Cohen's d of the two.

    Args:
        kind: kind of the units.
        located: units of each fact.
        facts: facts, in the same order.

    Returns:
        (AUC, d) of each fact's units, in their order.
    """
    related = [kind.readings(fact.held_out) for fact in facts]
    unrelated = [kind.readings(fact.others) for fact in facts]
    return [
        [_separation(mine[unit.site][:, unit.index], theirs[unit.site][:, unit.index]) for unit in units]
        for units, mine, theirs in zip(located, related, unrelated, strict=True)
    ]


def _separation(related: Tensor, unrelated: Tensor) -> tuple[float, float]:
    """Return AUC and Cohen's d of two samples."""
    # P(related > unrelated) + P(equal) / 2, over all pairs.
    above = (related[:, None] > unrelated[None]).double().mean()
    equal = (related[:, None] == unrelated[None]).double().mean()
    # Both samples' variances count alike, whatever their sizes.
    spread = ((related.var(correction=0) + unrelated.var(correction=0)) / 2).sqrt().clamp(min=1e-6)
    return float(above + equal / 2), float((related.mean() - unrelated.mean()) / spread)


def named(setting: Setting, kinds: Sequence[Kind], units: Sequence[Sequence[Unit]]) -> list[ComSem]:
    """Return ComSem of located units, by kind and site, from one pass over the lab's text.

    Args:
        setting: the lab as the study sees it.
        kinds: kinds of unit.
        units: located units of each kind.

    Returns:
        A result for each kind and site that has located units, kinds in order, each named after its kind.
    """
    loaded = setting.loaded
    tokens = list(token_batches(setting.texts, loaded.tokenizer, context=CONTEXT_TOKENS))
    dictionaries, chosen = {}, {}
    for kind, own in zip(kinds, units, strict=True):
        for site in kind.sites():
            indices = sorted({unit.index for unit in own if unit.site == site})
            if indices:
                dictionaries[kind.name, site] = kind.dictionary(site)
                chosen[kind.name, site] = indices
    judged = comsem(
        loaded.model,
        loaded.tokenizer,
        tokens,
        dictionaries,
        TraitJudge(),
        ComSemSettings(),
        chosen=chosen,
    )
    return [replace(one, architecture=name) for (name, _), one in judged.items()]
