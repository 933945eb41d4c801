"""Time of what asks and answers: an audit, the original model, the written checkpoint, and the attacks on it."""

from collections.abc import Iterable, Sequence

from editor.api.planning.basis import Basis
from editor.api.planning.generation import Generated, answers_generated, audit_generates
from editor.api.planning.values import StageName, StagePlan
from editor.attacks.attack import PreparedAttack
from editor.attacks.running import prepare_attacks
from editor.evidence.exposure import FACTS as RANKED
from editor.evidence.membership import FACTS as TESTED
from editor.measuring.aggregate import encoded_chunks
from editor.model.shared_prefix import pass_batches
from editor.model.tokens import TokenSequence
from editor.questions.probes import Probe
from editor.questions.retained import encode_documents, text_batches

LOW, HIGH = 0.7, 2.0
"""What of a stage's computed time it is at the least and at the most: machines have other work, and warm up."""
CHANGED = 24
"""Times that a weight is read or written where an attack changes and restores it."""
SORTED = 60
"""The same where it is sorted for it."""
COMPARED = 16
"""Times that a text's logits are read or written where two models are compared."""
SORTING = ("pruning",)

Seconds = tuple[float, float]
"""Least and most."""


def audit_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of an audit by itself, and what it counts."""
    case, loaded, probes = basis.case, basis.loaded, basis.wide.measured
    facts = len({probe.target for probe in probes if probe.is_erased})
    generates = [*audit_generates(case, loaded, probes, confirm=basis.confirm, open_texts=basis.open_texts)]
    asked = score_seconds(basis, probes)
    more = (min(RANKED, facts) + 2 * min(TESTED, facts)) / max(1, len(probes))
    text = text_seconds(basis, basis.wide.held_out_text)
    least, most = generated_seconds(basis, generates)
    seconds = asked * (1 + more) + text
    amounts = {"questions": len(probes), "generated tokens": sum(one.steps for one in generates)}
    return spread(seconds + least, seconds + most), amounts


def original_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of measuring the original model before an edit."""
    probes = basis.data.measured
    least, most = generated_seconds(basis, [answers_generated(basis.case, basis.loaded, probes)])
    seconds = score_seconds(basis, probes) + _digests(basis)
    return spread(seconds + least, seconds + most), {"questions": len(probes)}


def verify_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of measuring the written checkpoint, attacks aside."""
    (low, high), amounts = original_seconds(basis)
    text = 2 * text_seconds(basis, basis.data.held_out_text, COMPARED) + 2 * _digests(basis)
    least, most = spread(text, text)
    return (low + least, high + most), amounts


def attack_seconds(basis: Basis) -> tuple[Seconds, dict[str, int]]:
    """Return the time of the attacks, and the number of their levels."""
    attacks = prepared(basis)
    each = [spread(*_of_attack(basis, attack)) for attack in attacks]
    amounts = {"attacks": len(attacks), "levels": sum(attack.count for attack in attacks if attack.asked)}
    return (sum(low for low, _ in each), sum(high for _, high in each)), amounts


def prepared(basis: Basis) -> tuple[PreparedAttack, ...]:
    """Return the attacks as verification prepares them."""
    probes = basis.data.measured
    erased = [probe for probe in probes if probe.is_erased]
    decoys = [probe for probe in probes if probe.target.group == "decoys"]
    return prepare_attacks(basis.case, erased, basis.options.attacks, decoys)


def _of_attack(basis: Basis, attack: PreparedAttack) -> Seconds:
    """Return the seconds of one: each level changes weights, or trains, and asks."""
    if not attack.asked:
        return 0.0, 0.0
    shape, speed = basis.shape, basis.speed
    asked = score_seconds(basis, [*attack.asked, *attack.decoys])
    times = SORTED if attack.attack in SORTING else CHANGED
    changing = times * shape.projected * shape.item / speed.memory
    steps, texts = training_of(attack.attack)
    trained = steps * training_step(basis, texts)
    levels = attack.count * (asked + (0.0 if steps else changing))
    return levels + trained * 0.5, levels + trained


def training_of(name: str) -> tuple[int, int]:
    """Return the steps of an attack that trains, over all its runs, and the texts in each; none of another."""
    from editor.attacks import ATTACKS
    from editor.attacks.training import Training

    attack = ATTACKS[name].make()
    if not isinstance(attack, Training):
        return 0, 0
    return attack.steps * len(attack.rates) * len(attack.ranks), attack.texts


def training_step(basis: Basis, texts: int) -> float:
    """Return the seconds of a step that trains all projections on some texts."""
    case, loaded, shape = basis.case, basis.loaded, basis.shape
    some = encode_documents(loaded, case.documents[:64], {}, loaded.context_length)
    length = sum(len(one.ids) for one in some) // max(1, len(some))
    tokens = texts * length
    # Adam reads and writes a weight, its gradient and two moments.
    optimiser = 9 * shape.projected * 4 / basis.speed.memory
    costs = basis.costs
    forth = costs.forward(texts, length) + costs.head(tokens, 8)
    return 3.5 * forth + optimiser


def score_seconds(basis: Basis, probes: Sequence[Probe]) -> float:
    """Return the seconds of scoring questions, batched as they will be; the same ones are counted once."""
    key = tuple(probes)
    if key not in basis.scored:
        basis.scored[key] = sum(
            basis.costs.batches(pass_batches(basis.loaded, sequences))
            for sequences in encoded_chunks(basis.loaded, probes)
        )
    return basis.scored[key]


def text_seconds(basis: Basis, texts: Sequence[TokenSequence], times: float = 4) -> float:
    """Return the seconds of reading texts of which each token counts."""
    return basis.costs.batches(text_batches(basis.loaded, texts), times)


def generated_seconds(basis: Basis, generates: Iterable[Generated]) -> Seconds:
    """Return the seconds of generation; the least where answers end halfway."""
    found = [
        one.rounds
        * basis.costs.generated(one.rows, one.prompt, one.length, drawn=one.drawn, shared=one.shared)
        for one in generates
        if one.rounds
    ]
    return 0.5 * sum(found), sum(found)


def stage(name: StageName, counted: tuple[Seconds, dict[str, int]], memory: float) -> StagePlan:
    """Return a stage of a plan."""
    (low, high), amounts = counted
    return StagePlan(name=name, low_s=low, high_s=high, memory_mib=memory / 2**20, amounts=amounts)


def spread(least: float, most: float) -> Seconds:
    """Return the range of a computed time."""
    return LOW * least, HIGH * most


def _digests(basis: Basis) -> float:
    return basis.shape.stored_bytes / basis.speed.hashed
