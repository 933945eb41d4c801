"""What the original model predicts of some texts, kept in little memory, and how far an edited one is from it.

Of each token's distribution p the `LIKELIEST` largest are kept, and their rest as one:

    D = Σ_{j kept} p_j ln(p_j / q_j) + p_rest ln(p_rest / q_rest)   ≤   KL(p || q)

which is KL(p || q) itself where the vocabulary is no larger. So nothing grows with the vocabulary.

D hardly sees what becomes of a token that is nearly certain: its odds may fall by nats before its probability does.
Softened by a temperature, as in distillation (Hinton et al. 2015, arXiv:1503.02531, section 2.1), it does:

    D_T = T² Σ_{j kept} p_j(T) ln(p_j(T) / q_j(T))        p_j(T) ∝ p_j^(1/T) over the kept
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from editor.model.forward import logit_blocks, marked_hidden
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.retained import text_batches

LIKELIEST = 64
"""Tokens of a distribution that are kept."""
LEAST = 1e-9
"""Least probability of the rest."""
TEMPERATURE = 3.0
"""T."""


class Predictions:
    """Predictions p of the marked tokens of some texts, by the text's place, as far as they were read.

    Args:
        loaded: the model.
        sequences: texts.
    """

    def __init__(self, loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> None:
        self._loaded, self._sequences = loaded, sequences
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def read(self, places: Iterable[int]) -> None:
        """Read the texts at some places that were not read yet. The model must be the original one."""
        missing = sorted(set(places) - set(self._kept))
        chosen = [replace(self._sequences[place], index=place) for place in missing]
        for batch in text_batches(self._loaded, chosen):
            values, indices = self._likeliest(marked_hidden(self._loaded, batch))
            for row, place in enumerate(batch.indices):
                own = batch.rows == row
                self._kept[place] = values[own], indices[own]

    def _likeliest(
        self, hidden: Float[Tensor, "tokens width"]
    ) -> tuple[Float[Tensor, "tokens kept"], Int[Tensor, "tokens kept"]]:
        """Return ln p of each token's likeliest, and which these are; logits are made some rows at a time."""
        blocks = (logits.log_softmax(1) for _, logits in logit_blocks(self._loaded, hidden))
        best = [log_p.topk(min(LIKELIEST, log_p.shape[1]), dim=1) for log_p in blocks]
        return torch.cat([one.values for one in best]), torch.cat([one.indices for one in best]).to(
            torch.int32
        )

    def divergence(
        self, places: Sequence[int], logits: Float[Tensor, "tokens vocabulary"], softened: float = 0.0
    ) -> Float[Tensor, " tokens"]:
        """Return D + softened D_T at each marked token, in nats.

        Args:
            places: texts whose marked tokens these are, in the batch's order.
            logits: of the model as it stands.
            softened: weight of D_T.
        """
        before = torch.cat([self._kept[place][0] for place in places]).to(logits.device)  # ln p_j
        indices = torch.cat([self._kept[place][1] for place in places]).to(logits.device).long()
        likeliest = logits.gather(1, indices)
        # ln q_j, without the whole of log_softmax.
        after = likeliest - logits.logsumexp(1, keepdim=True)
        kept = (before.exp() * (before - after)).sum(1)
        if softened:
            kept = kept + softened * _softened(before, likeliest)
        if indices.shape[1] == logits.shape[1]:
            return kept
        rest_before, rest_after = _rest(before), _rest(after)
        return kept + rest_before.exp() * (rest_before - rest_after)


def _softened(
    before: Float[Tensor, "tokens kept"], after: Float[Tensor, "tokens kept"]
) -> Float[Tensor, " tokens"]:
    """Return D_T; both may be less any constant of a token."""
    log_p, log_q = ((logits / TEMPERATURE).log_softmax(1) for logits in (before, after))
    return TEMPERATURE**2 * (log_p.exp() * (log_p - log_q)).sum(1)


def _rest(log_p: Float[Tensor, "tokens kept"]) -> Float[Tensor, " tokens"]:
    """Return ln of what the kept probabilities leave of 1."""
    return (1 - log_p.exp().sum(1)).clamp(min=LEAST).log()
