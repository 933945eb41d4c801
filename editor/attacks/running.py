"""Run the attacks of the table on an edited model."""

from collections.abc import Iterable, Iterator, Sequence

from editor.attacks import ATTACKS
from editor.attacks.attack import PreparedAttack
from editor.case import Case
from editor.methods.shared.settings import with_seed
from editor.model.loading import LoadedModel
from editor.progress import Stages
from editor.questions.probes import Probe
from editor.results.report import AttackRow


def prepare_attacks(
    case: Case, erased: Sequence[Probe], names: Iterable[str] = ATTACKS
) -> tuple[PreparedAttack, ...]:
    """Prepare attacks for a case; everything random in them is drawn by its seed.

    Args:
        case: case with documents, request and seed.
        erased: questions about the facts in scope, all of them.
        names: names in `ATTACKS`.
    """
    return tuple(with_seed(ATTACKS[name].make(), case.seed).prepare(name, case, erased) for name in names)


def attack_rows(
    case: Case, loaded: LoadedModel, attacks: Sequence[PreparedAttack], stages: Stages
) -> tuple[AttackRow, ...]:
    """Measure an edited model after each attack; it is restored bit for bit after each."""
    rows = []
    for attack in attacks:
        with stages.stage(f"Attack: {attack.attack}", len(attack.asked)) as advance:
            rows.append(attack.measure(loaded, case.policy.decoding, advance))
    return tuple(rows)


def untested_attacks(rows: Iterable[AttackRow]) -> Iterator[str]:
    """Yield what a report says of each attack that was not tested."""
    tested = {row.attack for row in rows if row.greedy_facts.total}
    yield from (entry.untested for name, entry in ATTACKS.items() if entry.untested and name not in tested)
