"""Exposure (Carlini et al. 2019, arXiv:1802.08232, definition 3.5) over candidates of a secret's own format.

    exposure(s) = log2 |R| - log2 rank(s),      in bits

with the rank by ln p among R: the secret and candidates drawn like decoys. R is bounded, so the highest exposure is
log2 |R|. The candidates share the prompt, which is run once.

Most candidates need no pass of their own. A candidate c that agrees with the secret s up to token t has

    ln p(c) ≤ Σ_{u<t} ln p(s_u | s_<u) + ln p(c_t | s_<t),

which the secret's own pass gives. Where that is below ln p(s), c ranks behind it.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from editor.evidence.breakdown import by_relation, spread, worst_wordings
from editor.measuring.aggregate import Scored, score_probes
from editor.model.forward import logit_blocks
from editor.model.loading import LoadedModel
from editor.model.shared_prefix import answer_passes
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import Probe, Target
from editor.results.evidence import ExposureRow
from editor.results.parts import Rate
from policies import DecodingSettings

FACTS = 100
"""Facts that are ranked, spread over entity types."""
AT_A_TIME = 32
"""Facts whose candidates are scored together."""
SLACK = 0.01
"""Nats by which a candidate's bound must lie below the secret's ln p: far more than two passes differ by."""
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
        ahead = _possibly_ahead(loaded, list(rivals.values()))
        asked = [[probes[0], *left] for probes, left in zip(rivals.values(), ahead, strict=True)]
        if progress is not None:
            progress(sum(map(len, rivals.values())) - sum(map(len, asked)))
        every = [probe for probes in asked for probe in probes]
        log_p = score_probes(loaded, every, ONE_DECODING, progress).scores.log_probability
        ends = np.cumsum([len(probes) for probes in asked])
        for (target, probes), values in zip(rivals.items(), np.split(log_p, ends[:-1]), strict=True):
            rank = 1 + int((values[1:] > values[0]).sum())  # rank(s)
            found[target] = float(np.log2(len(probes)) - np.log2(rank)), len(probes)  # exposure(s), |R|
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


@torch.no_grad()
def _possibly_ahead(loaded: LoadedModel, rivals: Sequence[Sequence[Probe]]) -> list[list[Probe]]:
    """Return the candidates whose bound leaves open that they are more probable than their secret.

    Args:
        loaded: the model.
        rivals: for each fact a probe for itself, then those for its candidates.
    """
    sequences = [encode_probes(loaded, probes) for probes in rivals]
    secrets = [replace(mine[0], index=place) for place, mine in enumerate(sequences)]
    # By fact and place of the token where they part from the secret: candidates, and their tokens there.
    parting: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    kept: list[list[Probe]] = [[] for _ in rivals]
    for fact, (secret, mine) in enumerate(zip(secrets, sequences, strict=True)):
        first = secret.marked.index(True)
        for number, rival in enumerate(mine[1:], start=1):
            pairs = enumerate(zip(secret.ids, rival.ids, strict=False))
            place = next((at for at, (a, b) in pairs if a != b), None)
            # Tokens may straddle the border to the prompt; the shorter of two may be the other's beginning.
            if place is None or place < first or rival.marked.index(True) != first:
                kept[fact].append(rivals[fact][number])
            else:
                parting[fact, place].append((number, rival.ids[place]))
    bounds = _bounds(loaded, secrets, parting)
    for fact, (total, of_rivals) in enumerate(bounds):
        kept[fact] += [rivals[fact][number] for number, bound in of_rivals if bound > total - SLACK]
    return kept


def _bounds(
    loaded: LoadedModel,
    secrets: Sequence[TokenSequence],
    parting: Mapping[tuple[int, int], Sequence[tuple[int, int]]],
) -> list[tuple[float, list[tuple[int, float]]]]:
    """Return each secret's ln p, with the bounds of its candidates by number, in nats."""
    totals = [0.0] * len(secrets)
    bounds: list[list[tuple[int, float]]] = [[] for _ in secrets]
    places = [secret.marked.index(True) for secret in secrets]
    for batch, hidden in answer_passes(loaded, secrets):
        for part, logits in logit_blocks(loaded, hidden):
            log_p = logits.log_softmax(1)
            own = log_p.gather(1, batch.targets[part, None])[:, 0].tolist()
            for at, (row, value) in enumerate(zip(batch.rows[part].tolist(), own, strict=True)):
                fact = batch.indices[row]
                for number, token in parting.get((fact, places[fact]), ()):
                    bounds[fact].append((number, totals[fact] + float(log_p[at, token])))
                totals[fact] += value
                places[fact] += 1
    return list(zip(totals, bounds, strict=True))
