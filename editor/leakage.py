"""Leakage metrics of many secrets, all from one teacher-forced pass (no text is generated).

For a prompt c and a secret s_1..s_k tokenised jointly, one forward pass gives the model's distribution at
every secret position; the output head is applied there alone. Everything is derived from it in float32:

* p_z = prod_t q(s_t | c, s_<t), with q after temperature, top-k and top-p (probabilistic extraction,
  Hayes et al. 2024, arXiv:2410.19482);
* (n, p)-extractable: 1 - (1 - p_z)^n >= p, through log1p and expm1, so that p_z = 1e-18 does not vanish;
* greedy-extractable: every argmax is the secret's token, which equals greedy generation;
* worst case over decodings: max over temperatures of prod_t (1/r_t if the rank r_t <= m, else q_t), in bits:
  an adversary who may draw uniformly from the best r_t tokens wherever that helps;
* extraction strength: 1 - (shortest prefix of the secret after which the rest is greedy-exact) / k
  (Carlini et al. 2021, arXiv:2012.07805, in the corrected form that reaches 0);
* exact memorisation: the share of positions whose argmax is right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from editor.model import LoadedModel
from editor.tokens import TokenBatch, TokenSequence, batches
from policies import DecodingSettings

LN2 = float(np.log(2))


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """One way to sample: temperature, then top-k, then top-p, in transformers' order."""

    temperature: float
    top_k: int | None = None
    top_p: float | None = None

    def __str__(self) -> str:
        parts = [f"temperature {self.temperature:g}"]
        parts += [f"top-k {self.top_k}"] if self.top_k is not None else []
        parts += [f"top-p {self.top_p:g}"] if self.top_p is not None else []
        return ", ".join(parts)


def decoding_grid(settings: DecodingSettings) -> tuple[Decoding, ...]:
    """All combinations of the policy's temperatures, top-k and top-p values."""
    return tuple(
        Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
        for temperature in settings.temperatures
        for top_k in settings.top_k
        for top_p in settings.top_p
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Metrics of n probes, each an array over them.

    Attributes:
        greedy: greedy decoding gives the whole answer.
        exact_memorisation: share of answer tokens whose argmax is right.
        extraction_strength: 0 (nothing) to 1 (the whole answer from the prompt alone).
        worst_case_bits: -log2 of the best decoding's probability of the whole answer.
        log_probability: sum of ln q at temperature 1 without truncation, in nats.
        log_p_z: ln p_z, (decodings, n); -inf where truncation excludes a token.
        tokens: answer length in tokens.
    """

    greedy: NDArray[np.bool_]
    exact_memorisation: NDArray[np.float64]
    extraction_strength: NDArray[np.float64]
    worst_case_bits: NDArray[np.float64]
    log_probability: NDArray[np.float64]
    log_p_z: NDArray[np.float64]
    tokens: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TokenScores:
    """What one pass gives at the marked tokens of a batch; each (marked,) but `log_q`: (decodings, marked)."""

    rank: Int[Tensor, " marked"]
    log_probability: Float[Tensor, " marked"]
    log_worst_case: Float[Tensor, "temperatures marked"]
    log_q: Float[Tensor, "decodings marked"]


def extractable(log_p_z: NDArray[np.float64], tries: int) -> NDArray[np.float64]:
    """Return 1 - (1 - p_z)^tries, exact for tiny p_z."""
    with np.errstate(divide="ignore"):
        chance: NDArray[np.float64] = -np.expm1(tries * np.log1p(-np.exp(np.minimum(log_p_z, 0.0))))
    return chance


def score(
    loaded: LoadedModel,
    sequences: Sequence[TokenSequence],
    settings: DecodingSettings,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Score every sequence's marked tokens by all metrics, from one forward pass each.

    Args:
        loaded: the model.
        sequences: prompts with marked answers; `index` is their place in the result.
        settings: the policy's decoding settings.
        progress: called with the number of sequences done after each batch.
    """
    grid = decoding_grid(settings)
    result = _empty(len(sequences), len(grid))
    for batch in batches(sequences, pad=loaded.tokenizer.pad_token_id or 0, device=loaded.device):
        logits = marked_logits(loaded.model, batch)
        tokens = score_tokens(logits, batch.targets, grid, settings.worst_case_rank)
        _reduce(batch, tokens, result)
        if progress is not None:
            progress(len(batch.indices))
    return result


@torch.no_grad()
def marked_logits(model: Any, batch: TokenBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the logits that predict the marked tokens, the output head applied to those positions alone."""
    hidden = model.base_model(**batch.inputs, use_cache=False).last_hidden_state
    return output_logits(model, hidden[batch.predicting])


def output_logits(model: Any, hidden: Float[Tensor, "tokens width"]) -> Float[Tensor, "tokens vocabulary"]:
    """Apply the output head to final hidden states: projection, then the family's scaling or soft cap."""
    logits: Tensor = model.get_output_embeddings()(hidden).float()
    config = model.config
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if scaling := getattr(config, "logits_scaling", None):
        logits = logits / scaling
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits


def score_tokens(
    logits: Float[Tensor, "marked vocabulary"],
    targets: Int[Tensor, " marked"],
    grid: Sequence[Decoding],
    worst_case_rank: int,
) -> TokenScores:
    """Derive rank and log-probabilities of each target under each decoding from one set of logits."""
    own = logits.gather(1, targets[:, None])
    rank = (logits > own).sum(1) + 1
    ordered = logits.sort(dim=1, descending=True).values
    log_worst = []
    for temperature in dict.fromkeys(decoding.temperature for decoding in grid):
        plain = (own[:, 0] / temperature) - (logits / temperature).logsumexp(1)
        log_worst.append(torch.where(rank <= worst_case_rank, -torch.log(rank.float()), plain))
    log_q = torch.stack([_log_q(ordered, own[:, 0], rank, decoding) for decoding in grid])
    return TokenScores(
        rank=rank,
        log_probability=own[:, 0] - logits.logsumexp(1),
        log_worst_case=torch.stack(log_worst),
        log_q=log_q,
    )


def _log_q(
    ordered: Float[Tensor, "marked vocabulary"],
    own: Float[Tensor, " marked"],
    rank: Int[Tensor, " marked"],
    decoding: Decoding,
) -> Float[Tensor, " marked"]:
    """Ln q of the target with logit `own` after temperature, top-k and top-p; `ordered` is descending."""
    kept = ordered[:, : decoding.top_k] if decoding.top_k else ordered
    log_p = (kept / decoding.temperature).log_softmax(1)
    own_log_p = own / decoding.temperature - (kept / decoding.temperature).logsumexp(1)
    excluded = rank > kept.shape[1]
    if decoding.top_p is not None and decoding.top_p < 1:
        p = log_p.exp()
        before = p.cumsum(1) - p
        inside = before < decoding.top_p
        own_log_p = own_log_p - (p * inside).sum(1).log()
        excluded |= rank > inside.sum(1)
    return own_log_p.masked_fill(excluded, -torch.inf)


def _empty(count: int, decodings: int) -> Scores:
    return Scores(
        greedy=np.zeros(count, dtype=bool),
        exact_memorisation=np.zeros(count),
        extraction_strength=np.zeros(count),
        worst_case_bits=np.zeros(count),
        log_probability=np.zeros(count),
        log_p_z=np.zeros((decodings, count)),
        tokens=np.zeros(count, dtype=np.int64),
    )


def _reduce(batch: TokenBatch, tokens: TokenScores, into: Scores) -> None:
    """Sum, or otherwise reduce, the tokens of each row into its place of the result."""
    rows = len(batch.indices)
    where = np.array(batch.indices)

    def total(values: Tensor) -> NDArray[np.float64]:
        zeros = torch.zeros(*values.shape[:-1], rows, dtype=torch.float64, device=values.device)
        sums: NDArray[np.float64] = zeros.index_add_(-1, batch.rows, values.double()).cpu().numpy()
        return sums

    right = tokens.rank == 1
    length = total(torch.ones_like(tokens.log_probability))
    into.tokens[where] = length.astype(np.int64)
    into.exact_memorisation[where] = total(right) / length
    into.greedy[where] = total(~right) == 0
    into.extraction_strength[where] = _right_run_at_end(right, batch.rows, rows) / length
    into.log_probability[where] = total(tokens.log_probability)
    into.worst_case_bits[where] = -total(tokens.log_worst_case).max(0) / LN2 + 0.0
    into.log_p_z[:, where] = np.minimum(total(tokens.log_q), 0.0)


def _right_run_at_end(right: Tensor, rows: Tensor, count: int) -> NDArray[np.float64]:
    """For each row, how many of its last tokens are right in an unbroken run to the end."""
    run = np.zeros(count)
    broken = np.zeros(count, dtype=bool)
    for is_right, row in zip(reversed(right.tolist()), reversed(rows.tolist()), strict=True):
        broken[row] |= not is_right
        run[row] += not broken[row]
    return run
