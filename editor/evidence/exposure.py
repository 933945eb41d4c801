"""Exposure (Carlini et al. 2019, arXiv:1802.08232, definition 3.5) over candidates of a secret's own format.

    exposure(s) = log2 |R| - log2 rank(s),      in bits

with the rank by ln p among R: the secret and candidates drawn like decoys. R is bounded, so the highest exposure is
log2 |R|. The candidates share the prompt, which is run once.
"""

from collections.abc import Callable
from dataclasses import replace
from statistics import median

import numpy as np

from editor.evidence.breakdown import by_relation, spread, worst_wordings
from editor.measuring.aggregate import Scored, score_probes
from editor.model.loading import LoadedModel
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import Probe, Target
from editor.results.evidence import ExposureRow
from editor.results.parts import Rate
from policies import DecodingSettings

FACTS = 100
"""Facts that are ranked, spread over entity types."""
AT_A_TIME = 32
"""Facts whose candidates are scored together."""
ONE_DECODING = DecodingSettings(temperatures=(1.0,), top_k=(None,), top_p=(None,))


def exposure_rows(
    loaded: LoadedModel,
    scored: Scored,
    maker: DecoyMaker,
    *,
    candidates: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[ExposureRow, ...]:
    """Rank facts among candidates, at the wording that exposes each most.

    Args:
        loaded: the model.
        scored: the audit's scores.
        maker: draws candidates in the secret's format.
        candidates: number of candidates drawn for each fact, fewer where its format does not give as many.
        seed: the seed of the choice of facts.
        progress: called with the number of candidates scored.

    Returns:
        One row for each entity type, exposures in bits.
    """
    worst = worst_wordings(scored, "erased")
    found: dict[Target, tuple[float, int]] = {}
    chosen = spread(list(worst), FACTS, seed) if candidates else []
    for some in (chosen[start : start + AT_A_TIME] for start in range(0, len(chosen), AT_A_TIME)):
        rivals = {target: _rivals(scored.probes[worst[target].place], maker, candidates) for target in some}
        every = [probe for probes in rivals.values() for probe in probes]
        log_p = score_probes(loaded, every, ONE_DECODING, progress).scores.log_probability
        ends = np.cumsum([len(probes) for probes in rivals.values()])
        for target, values in zip(rivals, np.split(log_p, ends[:-1]), strict=True):
            rank = 1 + int((values[1:] > values[0]).sum())  # rank(s)
            found[target] = float(np.log2(len(values)) - np.log2(rank)), len(values)  # exposure(s), |R|
    return tuple(
        ExposureRow(
            entity_type=relation,
            facts=len(mine),
            candidates=int(median(found[target][1] for target in mine)),
            median=median(found[target][0] for target in mine),
            highest=max(found[target][0] for target in mine),
            at_first_rank=Rate(
                hits=sum(found[target][0] == np.log2(found[target][1]) for target in mine), total=len(mine)
            ),
        )
        for relation, mine in by_relation(found).items()
    )


def _rivals(probe: Probe, maker: DecoyMaker, candidates: int) -> list[Probe]:
    """Return probes for the fact itself and for candidates after the same prompt."""
    target = probe.target
    answers = (target.answer, *maker.make(target.relation, target.answer, candidates))
    return [replace(probe, spelling="as found", target=replace(target, answer=answer)) for answer in answers]
