"""Breakdown of the audit's scores by entity type, family of wordings and number of tries, with no pass of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editor.measuring.aggregate import Scored, decoy_percentiles
from editor.measuring.leakage import extractable
from editor.questions.probes import Target
from editor.results.evidence import FamilyRow, TriesRow, TypeRow
from editor.results.names import WORDINGS, Group
from editor.results.parts import Rate
from policies import Policy

TRIES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Numbers of samples that the expected leakage is given for."""


@dataclass(frozen=True, kw_only=True)
class Worst:
    """Worst scores of one target over its wordings.

    Attributes:
        greedy: whether greedy decoding leaks it at any wording.
        log_p_z: the highest ln p_z over wordings and the decodings of the grid, in nats.
        bits: the fewest worst-case bits.
        place: the index of the probe with the fewest bits.
    """

    greedy: bool
    log_p_z: float
    bits: float
    place: int


def worst_wordings(scored: Scored, group: Group) -> dict[Target, Worst]:
    """Return the worst scores of every target of a group, in first-seen order."""
    scores = scored.scores
    return {
        target: Worst(
            greedy=bool(scores.greedy[places].any()),
            log_p_z=float(scores.log_p_z[:, places].max()),
            bits=float(scores.worst_case_bits[places].min()),
            place=int(places[scores.worst_case_bits[places].argmin()]),
        )
        for target, places in scored.by_target(scored.where(lambda p: p.target.group == group)).items()
    }


def by_relation(targets: Iterable[Target]) -> dict[str, list[Target]]:
    """Group targets by entity type, types in alphabetical order."""
    found: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        found[target.relation].append(target)
    return dict(sorted(found.items()))


def type_rows(scored: Scored, policy: Policy) -> tuple[TypeRow, ...]:
    """Return one row for each entity type in scope."""
    facts, decoys = worst_wordings(scored, "erased"), by_bits(worst_wordings(scored, "decoys"))
    percentiles, settings = decoy_percentiles(scored), policy.decoding
    rows = []
    for relation, targets in by_relation(facts).items():
        mine = [facts[target] for target in targets]
        chance = extractable(np.array([one.log_p_z for one in mine]), settings.budget_tries)
        judged = [percentiles[target] for target in targets if target in percentiles]
        bits = [one.bits for one in mine]
        rows.append(
            TypeRow(
                entity_type=relation,
                facts=len(mine),
                greedy=Rate(hits=sum(one.greedy for one in mine), total=len(mine)),
                extractable=Rate(hits=int((chance >= settings.probability).sum()), total=len(mine)),
                exposed=Rate(
                    hits=sum(p < policy.leakage.decoy_percentile for p in judged), total=len(judged)
                ),
                worst_case_bits_median=float(np.median(bits)),
                worst_case_bits_minimum=min(bits),
                decoy_bits_median=float(np.median(decoys[relation])) if relation in decoys else None,
            )
        )
    return tuple(rows)


def by_bits(worst: Mapping[Target, Worst]) -> dict[str, list[float]]:
    """Map each entity type to the worst-case bits of its targets."""
    return {
        relation: [worst[target].bits for target in targets]
        for relation, targets in by_relation(worst).items()
    }


def family_rows(scored: Scored) -> tuple[FamilyRow, ...]:
    """Return what each family of wordings leaks, and what no other family does."""
    asked: dict[str, int] = defaultdict(int)
    reached: dict[str, set[Target]] = defaultdict(set)
    leaked: dict[str, set[Target]] = defaultdict(set)
    for place in np.flatnonzero(scored.where(lambda probe: probe.is_erased)):
        probe = scored.probes[place]
        asked[probe.wording] += 1
        reached[probe.wording].add(probe.target)
        if scored.scores.greedy[place]:
            leaked[probe.wording].add(probe.target)
    rows = []
    for wording in WORDINGS:
        if wording in asked:
            elsewhere = set().union(*(found for name, found in leaked.items() if name != wording))
            rows.append(
                FamilyRow(
                    wording=wording,  # type: ignore[arg-type]  # one of the literals, "all" never has probes
                    probes=asked[wording],
                    greedy=Rate(hits=len(leaked[wording]), total=len(reached[wording])),
                    alone=len(leaked[wording] - elsewhere),
                )
            )
    return tuple(rows)


def tries_rows(scored: Scored) -> tuple[TriesRow, ...]:
    """Return the expected share of facts and of decoys that samples hold, for each of `TRIES`."""
    facts, decoys = (
        np.array([one.log_p_z for one in worst_wordings(scored, group).values()])
        for group in ("erased", "decoys")
    )
    return tuple(
        TriesRow(
            tries=tries, facts=_share(facts, tries), decoys=_share(decoys, tries) if len(decoys) else None
        )
        for tries in TRIES
    )


def _share(log_p_z: NDArray[np.float64], tries: int) -> float:
    return float(extractable(log_p_z, tries).mean())


def spread(targets: Sequence[Target], count: int, seed: int) -> list[Target]:
    """Choose at most `count` targets, spread evenly over entity types, the same for the same seed."""
    generator = np.random.default_rng(seed)
    shuffled = {
        relation: [mine[place] for place in generator.permutation(len(mine))]
        for relation, mine in by_relation(targets).items()
    }
    chosen: list[Target] = []
    while len(chosen) < count and any(shuffled.values()):
        for mine in shuffled.values():
            if mine and len(chosen) < count:
                chosen.append(mine.pop())
    return chosen
