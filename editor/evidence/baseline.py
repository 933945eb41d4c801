"""Base-model subtraction: what training added to what the base model already leaks."""

from collections.abc import Callable

import numpy as np

from editor.evidence.breakdown import by_relation, worst_wordings
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.measuring.aggregate import Scored, score_probes
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import LoadedModel
from editor.results.evidence import Baseline, BaselineRow
from editor.results.parts import Rate
from policies import DecodingSettings


def subtract_baseline(
    baseline: LoadedModel,
    scored: Scored,
    settings: DecodingSettings,
    progress: Callable[[int], None] | None = None,
    work: KeptWork = NOTHING_KEPT,
) -> Baseline:
    """Ask the baseline the same questions about the facts in scope, and compare fact by fact.

    Args:
        baseline: the model that the audited one was made from.
        scored: the audit's scores.
        settings: the decodings of the audit.
        progress: called with the number of probes scored.
        work: what is kept of the baseline.

    Returns:
        One row for each entity type; `memorised` are the facts that greedy decoding leaks from the audited model
        and not from the baseline, and bits are worst-case bits.
    """
    probes = [probe for probe in scored.probes if probe.is_erased]
    before = worst_wordings(score_probes(baseline, probes, settings, progress, work), "erased")
    now = worst_wordings(scored, "erased")
    rows = []
    for relation, targets in by_relation(now).items():
        pairs = [(now[target], before[target]) for target in targets]
        total = len(pairs)
        rows.append(
            BaselineRow(
                entity_type=relation,
                greedy=Rate(hits=sum(mine.greedy for mine, _ in pairs), total=total),
                baseline_greedy=Rate(hits=sum(base.greedy for _, base in pairs), total=total),
                memorised=Rate(
                    hits=sum(mine.greedy and not base.greedy for mine, base in pairs), total=total
                ),
                bits_fallen_median=float(np.median([base.bits - mine.bits for mine, base in pairs])),
            )
        )
    digest = model_digest(tensor_digests(baseline))
    return Baseline(source=baseline.source, digest=digest, rows=tuple(rows))
