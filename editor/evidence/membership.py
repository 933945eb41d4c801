"""Membership tests on secrets against decoys: secondary evidence that a trace remains.

The text is the secret after its most exposed prompt. Scores, higher for trained text:

* loss: mean ln p of its tokens;
* Min-K%: mean of the lowest fifth of them (Shi et al. 2024, arXiv:2310.16789);
* Min-K%++: the same of (ln p - μ) / σ, mean and deviation of ln p under the model's own distribution at that place
  (Zhang et al. 2024, arXiv:2404.02936);
* zlib: loss over the secret's compressed length in bytes (Carlini et al. 2021, arXiv:2012.07805);
* reference: mean ln p minus a reference model's, where there is one (ibid.).
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import bootstrap

from editor.evidence.breakdown import spread, worst_wordings
from editor.measuring.aggregate import Scored
from editor.model.forward import logit_blocks
from editor.model.loading import LoadedModel
from editor.model.shared_prefix import AnswerPass, planned_passes
from editor.processes import group
from editor.questions.asking import encode_probes
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import Probe
from editor.results.evidence import MembershipRow

FACTS = 400
"""Facts that are tested, spread over entity types."""
LOWEST = 0.2
"""Share of the tokens that Min-K% and Min-K%++ take the mean of."""
RESAMPLES = 1_000
"""Resamples of the bootstrap."""
Values = NDArray[np.float64]


def membership_rows(
    loaded: LoadedModel,
    scored: Scored,
    maker: DecoyMaker,
    *,
    seed: int,
    reference: LoadedModel | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[MembershipRow, ...]:
    """Test how well each score tells at most `FACTS` facts from as many decoys after the same prompts.

    Args:
        loaded: the audited model.
        scored: the audit's scores.
        maker: draws decoys in the secret's format.
        seed: the seed of the choice of facts and of the bootstrap.
        reference: the model whose ln p the reference test subtracts; None leaves that test out.
        progress: called with the number of answers scored.

    Returns:
        One row for each test: its AUC with a 95% bootstrap interval; no row where no fact has a decoy.
    """
    worst = worst_wordings(scored, "erased")
    facts: list[Probe] = []
    decoys: list[Probe] = []
    for target in spread(list(worst), FACTS, seed):
        probe = replace(scored.probes[worst[target].place], spelling="as found")
        for answer in maker.make(target.relation, target.answer, 1):
            facts.append(probe)
            decoys.append(replace(probe, target=replace(target, answer=answer)))
    if not facts:
        return ()
    measured = _measure(loaded, [*facts, *decoys], progress)
    if reference is not None:
        measured["reference"] = measured["loss"] - _measure(reference, [*facts, *decoys], progress)["loss"]
    rows = []
    for test, values in measured.items():
        mine, chance = values[: len(facts)], values[len(facts) :]
        low, high = _interval(mine, chance, seed)
        rows.append(
            MembershipRow(
                test=test, auc=auc(mine, chance), low=low, high=high, facts=len(facts), decoys=len(decoys)
            )
        )
    return tuple(rows)


def auc(positive: Values, negative: Values) -> float:
    """Return the probability that a positive scores above a negative, ties counted half.

    Args:
        positive: the positives' scores, (positives,).
        negative: the negatives' scores, (negatives,).
    """
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def _interval(positive: Values, negative: Values, seed: int) -> tuple[float, float]:
    if len(positive) == 1:  # there is nothing to draw
        return auc(positive, negative), auc(positive, negative)
    low, high = bootstrap(
        (positive, negative),
        auc,
        vectorized=False,
        n_resamples=RESAMPLES,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return float(low), float(high)


@torch.no_grad()
def _measure(
    loaded: LoadedModel, probes: Sequence[Probe], progress: Callable[[int], None] | None
) -> dict[str, Values]:
    """Return every score that needs no reference, (probes,) each."""
    tokens: list[list[float]] = [[] for _ in probes]
    standard: list[list[float]] = [[] for _ in probes]

    def read(planned: AnswerPass) -> tuple[tuple[int, ...], list[tuple[int, float, float]]]:
        batch, found = planned.batch, []
        for place, logits in logit_blocks(loaded, planned.run(loaded)):
            log_p = logits.log_softmax(1)
            p = log_p.exp()
            mean = (p * log_p).sum(1)  # μ
            deviation = ((p * log_p**2).sum(1) - mean**2).clamp(min=1e-12).sqrt()  # σ
            own = log_p.gather(1, batch.targets[place, None])[:, 0]
            rows, scaled = batch.rows[place].tolist(), ((own - mean) / deviation).tolist()
            for row, value, standardised in zip(rows, own.tolist(), scaled, strict=True):
                found.append((batch.indices[row], value, standardised))
        return batch.indices, found

    passes = planned_passes(loaded, encode_probes(loaded, probes))
    for indices, found in group().each("membership", passes, read, cost=lambda one: one.tokens):
        for index, value, standardised in found:
            tokens[index].append(value)
            standard[index].append(standardised)
        if progress is not None:
            progress(len(indices))
    loss = np.array([np.mean(values) for values in tokens])
    lengths = np.array([len(zlib.compress(probe.answer.encode())) for probe in probes])
    return {
        "loss": loss,
        "Min-K%": np.array([_lowest(values) for values in tokens]),
        "Min-K%++": np.array([_lowest(values) for values in standard]),
        "zlib": loss / lengths,
    }


def _lowest(values: Sequence[float]) -> float:
    return float(np.mean(sorted(values)[: max(1, int(LOWEST * len(values)))]))
