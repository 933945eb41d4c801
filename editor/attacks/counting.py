"""What is counted after an attack: of the facts that were asked for, and of decoys asked for alike."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from editor.measuring.aggregate import Scored, decoy_percentiles, exposed_rate, leakage
from editor.questions.probes import Probe
from editor.results.parts import Rate
from policies import Policy


@dataclass(frozen=True, kw_only=True)
class Counted:
    """One level's figures; each is as in `AttackLevel`.

    Attributes:
        greedy_facts: erased facts that come back.
        exposed: erased facts below the policy's percentile of decoys; None without decoys.
        decoys: decoys that come up alike; None without decoys.
        worst_case_bits_median: median worst-case bits of the facts; None where they are no number, or no probability
            is measured.
        depth: share of what states know of the facts that is erased; None where that is not measured.
    """

    greedy_facts: Rate
    exposed: Rate | None = None
    decoys: Rate | None = None
    worst_case_bits_median: float | None = None
    depth: float | None = None


Counting = Callable[[Sequence[Probe], Sequence[Probe], Policy], Counted]
"""Function from questions about erased facts, and the same about decoys, to what is counted of them."""


def count_answers(scored: Scored, policy: Policy) -> Counted:
    """Count the facts and decoys that greedy decoding says at some wording, and the facts that decoys show exposed."""
    found = leakage(scored, scored.where(lambda probe: probe.is_erased), policy.decoding)
    exposed = exposed_rate(decoy_percentiles(scored).values(), policy.leakage.decoy_percentile)
    said = scored.by_target(scored.where(lambda probe: not probe.is_erased)).values()
    completed = sum(bool(scored.scores.greedy[places].any()) for places in said)
    bits = found.worst_case_bits_median
    return Counted(
        greedy_facts=found.greedy_facts,
        exposed=exposed if exposed.total else None,
        decoys=Rate(hits=completed, total=len(said)) if said else None,
        worst_case_bits_median=None if math.isnan(bits) else bits,
    )
