"""Time of what an erasure computes: dictionaries, where features sit, the edit and its trials, the export."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch

from dictionaries import ARCHITECTURES
from editor.api.planning.asking import (
    Seconds,
    attack_seconds,
    audit_seconds,
    original_seconds,
    score_seconds,
    spread,
    verify_seconds,
)
from editor.api.planning.basis import Basis
from editor.api.planning.values import StageName
from editor.dictionary_supply import DEFAULT_ARCHITECTURE
from editor.layer_choice import LAYERS, PROBES
from editor.locators.features import FeatureAttribution
from editor.methods.features.feature_edit import STEP_ELEMENTS, FeatureEdit
from editor.methods.features.span import MOMENT_TOKENS
from editor.methods.shared.searching import WarmStart, steps_of
from editor.model.below import LEAST_SHARE
from editor.model.epochs import epochs_by_length
from editor.model.tokens import TokenSequence
from editor.model.traced_parts import traced_parts
from editor.questions.asking import encode_probes
from editor.questions.probes import sample
from editor.questions.retained import text_batches
from editor.tuning.build_problem import attributed, trial_probes
from editor.tuning.judge import DIVERGENCE_TOKENS

SAMPLED_STEPS = 8
"""Steps of a fit whose batches are counted."""
LIKELY_TRIALS = 4
"""Trials after which a search has mostly ended."""
MULTIPLIED = 3.0
"""Products of a dictionary's step over all features: most of the others are done where few are on."""
UPDATED = 16.0
"""Times that a step of a dictionary reads or writes each of its weights."""
FACTORED = 60.0
"""Operations of a decomposition for each of the sums in a product of the same size."""
STEP = 2.0
"""What a step takes over its passes: the memory that it frees goes back to the system, and is had anew."""
OTHER_STEPS = 25
"""Passes over all questions, forth and back, of a method that takes no steps: locating, and a target for each fact."""
OTHER_SPREAD = (0.3, 3.0)
"""What of its computed time a method other than `feature-edit` takes: its own steps are not counted one by one."""


def dictionary_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of choosing layers and of training dictionaries for them; nothing where they are given."""
    if not basis.needs_dictionaries or basis.given:
        return (0.0, 0.0), {}
    shape, costs = basis.shape, basis.costs
    erased = [p for p in basis.case.probes if p.is_erased and p.split == "locating"]
    chosen = 0.0
    if shape.layers > LAYERS:
        asked = encode_probes(basis.loaded, sample(erased, PROBES, basis.case.seed))
        chosen = sum(_plain_traced(basis, part) for part in _parts(basis, asked))
    read = sum(costs.forward(rows, length) for rows, length, _ in basis.tokens)
    config = ARCHITECTURES[DEFAULT_ARCHITECTURE].defaults
    weights = 2 * shape.width * basis.features
    step = (
        MULTIPLIED
        * 2
        * config.batch_size
        * shape.width
        * basis.features
        / basis.speed.rate(config.batch_size)
    )
    step += UPDATED * weights * 4 / basis.speed.memory
    trained = config.steps * basis.sites * step
    tokens = sum(counted for _, _, counted in basis.tokens)
    amounts = {"dictionaries": basis.sites, "features": basis.features, "tokens": tokens}
    return spread(chosen + read + trained, chosen + 2 * read + trained), amounts


def locate_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of locating features; nothing for a method that uses none."""
    if not basis.needs_dictionaries:
        return (0.0, 0.0), {}
    mine, theirs = attributed(basis.problem)
    steps = FeatureAttribution().steps
    lowest = basis.shape.layers - basis.sites
    found = [0.0, 0.0]
    for part in (*_parts(basis, mine), *_parts(basis, theirs)):
        rows, length = part.batch.inputs["input_ids"].shape
        whole = basis.costs.forward(rows, length + len(part.root))
        found[0] += 2 * whole + steps * basis.costs.traced(part, lowest)
        found[1] += 2 * whole + steps * basis.costs.traced(part)
    return spread(*found), {"questions": len(mine) + len(theirs), "points": steps}


def edit_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of the search and of the last fit: one trial at the least, `LIKELY_TRIALS` at the most."""
    method, search = basis.options.method, basis.options.search
    steps = steps_of(method, None) or 0
    warm = int(getattr(method, "warm_start_steps", steps)) if isinstance(method, WarmStart) else steps
    least, most = _step_seconds(basis)
    judged, prepared = _judge_seconds(basis), _prepare_seconds(basis)
    trials = min(search.trials, LIKELY_TRIALS) if search is not None else 0
    first, last = (steps + warm, steps + trials * warm) if search is not None else (steps, steps)
    if not steps:  # what is not descent is fitted anew by each trial
        first, last = (2, trials + 1) if search is not None else (1, 1)
    kept = (1 + _controls(basis)) if basis.options.controls else 1
    low = prepared + kept * first * least + (2 if search else 0) * judged
    high = prepared + kept * last * most + (1 + trials) * judged
    amounts = {
        "steps at least": first,
        "steps at most": last,
        "trials at most": search.trials if search else 0,
    }
    if not isinstance(method, FeatureEdit):
        low, high = OTHER_SPREAD[0] * low, OTHER_SPREAD[1] * high
    return spread(low, high), amounts


def export_seconds(basis: Basis, written: int) -> tuple[Seconds, dict[str, int]]:
    """Return the time of factoring the change and of writing what takes so many bytes."""
    speed = basis.speed
    rate = speed.rate(128)
    factored = sum(FACTORED * out * into * min(out, into) for out, into in basis.changed) / rate
    copied = 2 * written / speed.memory + 2 * written / speed.hashed
    return spread(factored + copied, 3 * factored + 3 * copied), {}


def _controls(basis: Basis) -> int:
    return len(getattr(basis.options.method, "controls", lambda **_: ())(norm=1.0, seed=0))


def _parts(basis: Basis, sequences: Sequence[TokenSequence]) -> list[Any]:
    return traced_parts(basis.loaded, sequences) if sequences else []


def _plain_traced(basis: Basis, part: Any) -> float:
    """Return the seconds of a pass forth and back in the model's own precision."""
    rows, length = part.batch.inputs["input_ids"].shape
    tokens = length + len(part.root)
    return 3 * (basis.costs.forward(rows, tokens) + basis.costs.head(len(part.batch.targets), 8))


def _step_seconds(basis: Basis) -> Seconds:
    """Return the least and the most seconds of a step: by the lowest layer that changes, of those that may be."""
    method, problem = basis.options.method, basis.problem
    if not isinstance(method, FeatureEdit):
        return _other_step(basis)
    shape, costs = basis.shape, basis.costs
    drawn = [
        *islice(_drawn(problem.erase, method.probes), SAMPLED_STEPS),
        *islice(_drawn(problem.retain, method.texts, shape.vocabulary), SAMPLED_STEPS),
        *islice(_drawn(problem.questions, method.questions, shape.vocabulary), SAMPLED_STEPS),
    ]
    parts = [part for sequences in drawn for part in _parts(basis, sequences)]
    rank = method.units // max(1, basis.sites)
    moved = sum(
        2.0 * (min(rank, out) * into * (2 * out + into) + out * into * into) / basis.speed.rate(out)
        for out, into in basis.changed
    )
    found = []
    for lowest in (shape.layers - basis.sites, shape.layers // 2 if shape.layers > basis.sites else 0):
        begun = lowest if lowest * LEAST_SHARE >= shape.layers else 0
        passed = sum(
            costs.traced(part, lowest, basis.changed_weights, run=shape.layers - begun) for part in parts
        )
        found.append(STEP * (passed / SAMPLED_STEPS + moved))
    return found[0], found[1]


def _other_step(basis: Basis) -> Seconds:
    """Return the seconds of a step of any other method: over a batch of questions, or over all of them."""
    problem = basis.problem
    steps = steps_of(basis.options.method, None)
    asked = _parts(basis, problem.erase)
    all_asked = sum(basis.costs.traced(part) for part in asked)
    if not steps:
        return OTHER_STEPS * all_asked, OTHER_STEPS * all_asked
    size = 16 / max(16, len(problem.erase))
    tuned = getattr(basis.options.method, "tuning", basis.options.method)
    texts = int(getattr(tuned, "texts", 4))
    kept = [*islice(_drawn(problem.retain, texts, basis.shape.vocabulary), SAMPLED_STEPS)]
    text = sum(basis.costs.traced(part) for chosen in kept for part in _parts(basis, chosen)) / SAMPLED_STEPS
    return all_asked * size + text, all_asked * size + 2 * text


def _drawn(
    sequences: Sequence[TokenSequence], size: int, vocabulary: int | None = None
) -> Iterator[list[TokenSequence]]:
    """Yield the sequences of one step after another, no more than logits have room for."""
    if not sequences or not size:
        return
    room = STEP_ELEMENTS // vocabulary if vocabulary else None
    for places in epochs_by_length(sequences, size, torch.Generator().manual_seed(0)):
        chosen: list[TokenSequence] = []
        total = 0
        for place in places:
            total += sum(sequences[place].marked)
            if chosen and room is not None and total > room:
                break
            chosen.append(sequences[place])
        yield chosen


def _prepare_seconds(basis: Basis) -> float:
    """Return the seconds of what a fit reads of the original model: predictions, and moments of inputs."""
    problem, costs = basis.problem, basis.costs
    read = sum(costs.batch(batch, 6) for batch in text_batches(basis.loaded, problem.retained))
    if not isinstance(basis.options.method, FeatureEdit):
        return read
    tokens = sum(len(one.ids) for one in problem.retained)
    share = min(1.0, MOMENT_TOKENS / max(1, tokens))
    rate = basis.speed.rate(128)
    squared = sum(2.0 * min(tokens, MOMENT_TOKENS) * into * into for _, into in basis.changed) / rate
    roots = sum(FACTORED * into**3 for _, into in basis.changed) / rate
    below = sum(costs.batch(batch, 0) for batch in text_batches(basis.loaded, problem.erase))
    return read * (1 + share) + squared + roots + 2 * below


def _judge_seconds(basis: Basis) -> float:
    """Return the seconds of judging a trial."""
    asked = trial_probes(basis.case)
    tokens = sum(len(one.ids) for one in basis.data.fitting_text)
    share = min(1.0, DIVERGENCE_TOKENS / max(1, tokens))
    text = sum(basis.costs.batch(batch, 10) for batch in text_batches(basis.loaded, basis.data.fitting_text))
    return score_seconds(basis, [*asked.erased, *asked.kept]) + share * text


def counters(basis: Basis, written: int) -> dict[StageName, Callable[[], tuple[Seconds, dict[str, int]]]]:
    """Return what counts each stage's time, and what is counted of it; the export writes so many bytes."""
    return {
        "audit": lambda: audit_seconds(basis),
        "original": lambda: original_seconds(basis),
        "dictionaries": lambda: dictionary_seconds(basis),
        "locate": lambda: locate_seconds(basis),
        "edit": lambda: edit_seconds(basis),
        "export": lambda: export_seconds(basis, written),
        "verify": lambda: verify_seconds(basis),
        "attacks": lambda: attack_seconds(basis),
    }
