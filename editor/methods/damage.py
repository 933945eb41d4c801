"""Which retained tokens an edit damages, and the covariance of their keys.

C₀ is a mean over all retained tokens, and the few that stand close to an erased key, such as a namesake's records,
hardly count in it. A first edit shows which they are; the next one gives them a weight of their own.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.sites import Site, capture
from editor.edit import Edit
from editor.leakage import marked_logits
from editor.methods.problem import EditProblem
from editor.retained import text_batches
from editor.tokens import TokenBatch

DROP_NATS = 0.3
"""A token is damaged where the edit costs it more than this."""


@torch.no_grad()
def damaged_covariance(problem: EditProblem, edit: Edit) -> Mapping[Site, Float[Tensor, "m m"]]:
    """Return the mean of kkᵀ over the retained tokens that lose more than `DROP_NATS` of ln p by the edit.

    Keys are those of the unedited model. Where nothing is damaged, the result is empty.
    """
    model = problem.loaded.model
    sums: dict[Site, Tensor] = {}
    tokens = 0
    for batch in text_batches(problem.loaded, problem.retain):
        before = _log_p(problem, batch)
        with edit.applied(model):
            damaged = before - _log_p(problem, batch) > DROP_NATS
        if not bool(damaged.any()):
            continue
        row, column = (index[damaged] for index in batch.predicting.nonzero(as_tuple=True))
        with capture(model, problem.sites, outputs=False, stop_early=True) as taken:
            model.base_model(**batch.inputs, use_cache=False)
        for site, keys in taken.keys.items():
            chosen = keys[row, column].float()
            sums[site] = sums[site] + chosen.T @ chosen if site in sums else chosen.T @ chosen
        tokens += int(damaged.sum())
    return {site: total / tokens for site, total in sums.items()}


def _log_p(problem: EditProblem, batch: TokenBatch) -> Float[Tensor, " marked"]:
    log_p = marked_logits(problem.loaded.model, batch).log_softmax(1)
    return log_p.gather(1, batch.targets[:, None])[:, 0]
