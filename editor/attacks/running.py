"""Run the attacks of the table on an edited model."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from editor.attacks import ATTACKS, attacks_at
from editor.attacks.attack import Attacked, PreparedAttack
from editor.attacks.ground import Ground
from editor.case import Case
from editor.kept_work import NOTHING_KEPT, KeptWork, json_form
from editor.methods.shared.settings import with_seed
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import LoadedModel
from editor.progress import Stages
from editor.questions.probes import Probe, Target, sample
from editor.results.attacks import AttackRow

DECOY_TARGETS = 40
"""Decoys that are asked for after an attack, at most, each in all wordings of its fact."""


def prepare_attacks(
    case: Case,
    erased: Sequence[Probe],
    names: Iterable[str] | None = None,
    decoys: Sequence[Probe] = (),
) -> tuple[PreparedAttack, ...]:
    """Prepare attacks for a case; everything random in them is drawn by its seed.

    Args:
        case: case with documents, request and seed.
        erased: questions about the facts in scope, all of them.
        names: names in `ATTACKS`; None for the quick ones.
        decoys: the same questions with never-seen secrets for answers.
    """
    ground = Ground(case=case, erased=tuple(erased))
    prepared = []
    for name in attacks_at("quick") if names is None else names:
        entry = ATTACKS[name]
        attack = with_seed(entry.make(), case.seed).prepare(name, ground)
        controls = _decoys_of(attack.asked, decoys, case.seed)
        prepared.append(replace(attack, explained=entry.explained, decoys=controls))
    return tuple(prepared)


def _decoys_of(asked: Sequence[Probe], decoys: Sequence[Probe], seed: int) -> tuple[Probe, ...]:
    """Return the decoys of the facts that are asked for, a seeded sample where they are many."""
    questions = {(one.target.subject, one.target.relation, one.prompt) for one in asked}
    found: dict[Target, list[Probe]] = defaultdict(list)
    for probe in decoys:
        if (probe.target.subject, probe.target.relation, probe.prompt) in questions:
            found[probe.target].append(probe)
    chosen = sample((probes[0] for probes in found.values()), DECOY_TARGETS, seed)
    return tuple(probe for first in chosen for probe in found[first.target])


def attack_rows(
    case: Case,
    loaded: LoadedModel,
    attacks: Sequence[PreparedAttack],
    stages: Stages,
    original: Callable[[str], Tensor] | None = None,
    reference: LoadedModel | None = None,
    work: KeptWork = NOTHING_KEPT,
) -> tuple[AttackRow, ...]:
    """Measure an edited model after each attack; it is restored bit for bit after each.

    Args:
        case: case with the policy.
        loaded: edited model.
        attacks: attacks, prepared.
        stages: display of progress.
        original: function from a parameter's name to its value before the edit, where that is at hand.
        reference: model that never saw the erased people, where there is one.
        work: what is kept of the edited model on this case, and beside the original one where that is at hand.
    """
    attacked = Attacked(loaded=loaded, original=original, reference=reference)

    def row(attack: PreparedAttack) -> AttackRow:
        with stages.stage(f"Attack: {attack.attack}", attack.count) as advance:
            return attack.measure(attacked, case.policy, advance)

    beside = model_digest(tensor_digests(reference)) if reference is not None else None
    work = work.based_on(original is not None, beside)
    form = json_form(AttackRow)
    return tuple(
        work.once("attack", (attack.attack, attack.asked, attack.decoys), form, partial(row, attack))
        for attack in attacks
    )


def original_weights(before: Any, after: Any) -> Callable[[str], Tensor] | None:
    """Return a function from a parameter's name to its value in the original model; None where names differ."""
    names = (name for name, _ in after.named_parameters())
    found: dict[str, Tensor] = dict(before.named_parameters())
    return found.__getitem__ if all(name in found for name in names) else None


def untested_attacks(rows: Iterable[AttackRow]) -> Iterator[str]:
    """Yield what a report says of the attacks that were not tested."""
    tested = {row.attack for row in rows if row.greedy_facts.total}
    missing = [entry for name, entry in ATTACKS.items() if name not in tested]
    yield from (entry.untested for entry in missing if entry.untested)
    if others := [entry.column for entry in missing if not entry.untested]:
        yield f"Of what a deployment or an adversary may do, this was not tested: {', '.join(others)}."
