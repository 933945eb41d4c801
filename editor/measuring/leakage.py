"""Leakage metrics of many secrets, all from one teacher-forced pass (no text is generated).

For a prompt c and a secret s_1..s_k tokenised jointly, one forward pass gives the model's distribution at
every secret position; the output head is applied there alone, to some positions at a time. Everything is derived from
it in float32:

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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from editor.model.forward import logit_blocks
from editor.model.loading import LoadedModel
from editor.model.shared_prefix import AnswerPass, planned_passes
from editor.model.tokens import MarkedBatch, TokenSequence
from editor.processes import group
from policies import DecodingSettings

LN2 = float(np.log(2))
FEW_TOKENS = 64
"""A vocabulary more than twice as large is sorted only where these tokens do not hold a top-p's mass."""
WIDER = 16
"""Factor by which more tokens are sorted where they do not, before all are."""
ROUNDING = 1e-4


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
    """Return all combinations of the policy's temperatures, top-k and top-p values."""
    return tuple(
        Decoding(temperature=temperature, top_k=top_k, top_p=top_p)
        for temperature in settings.temperatures
        for top_k in settings.top_k
        for top_p in settings.top_p
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Metrics of n probes, each an array over them: (n,) but `log_p_z`.

    Attributes:
        greedy: whether greedy decoding gives the whole answer.
        exact_memorisation: share of answer tokens whose argmax is right.
        extraction_strength: 0 (nothing) to 1 (the whole answer from the prompt alone).
        worst_case_bits: -log2 of the best decoding's probability of the whole answer.
        log_probability: sum of ln q at temperature 1 without truncation, in nats.
        log_p_z: ln p_z in nats, (decodings, n); -inf where truncation excludes a token.
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
    """What one pass gives at the marked tokens s_t of a batch, logarithms in nats.

    Attributes:
        rank: r_t, from 1.
        log_probability: ln q_t at temperature 1 without truncation.
        log_worst_case: ln (1/r_t) where r_t <= m, else ln q_t, by temperature without truncation.
        log_q: ln q_t by decoding; -inf where truncation excludes the token.
    """

    rank: Int[Tensor, " marked"]
    log_probability: Float[Tensor, " marked"]
    log_worst_case: Float[Tensor, "temperatures marked"]
    log_q: Float[Tensor, "decodings marked"]

    @classmethod
    def joined(cls, blocks: Sequence["TokenScores"]) -> "TokenScores":
        """Put the scores of consecutive tokens together."""
        return cls(**{name: torch.cat([vars(one)[name] for one in blocks], -1) for name in vars(blocks[0])})


def extractable(log_p_z: NDArray[np.float64], tries: int) -> NDArray[np.float64]:
    """Return 1 - (1 - p_z)^n for n tries, exact for tiny p_z (Hayes et al. 2024, arXiv:2410.19482).

    Args:
        log_p_z: ln p_z, of any shape, which the result has too.
        tries: n, the number of independent samples.
    """
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
        loaded: model to score.
        sequences: prompts with marked answers; `index` is their place in the result.
        settings: the policy's decoding settings.
        progress: called with the number of sequences done after each batch.
    """
    grid = decoding_grid(settings)
    result = _empty(len(sequences), len(grid))

    def read(planned: AnswerPass) -> tuple[tuple[int, ...], Scores]:
        indices = planned.batch.indices
        return indices, _score_batch(loaded, planned.batch, planned.run(loaded), settings)

    passes = planned_passes(loaded, sequences)
    for indices, scores in group().each("scores", passes, read, cost=lambda planned: planned.tokens):
        _put(scores, indices, result)
        if progress is not None:
            progress(len(indices))
    return result


def score_passes(
    loaded: LoadedModel,
    passes: Iterable[tuple[MarkedBatch, Float[Tensor, "marked width"]]],
    count: int,
    settings: DecodingSettings,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Score sequences' marked tokens by the final hidden states that predict them, whatever pass gave those.

    Args:
        loaded: model whose output head is applied.
        passes: batches of all sequences with such states, as `answer_passes` yields them.
        count: number of sequences.
        settings: the policy's decoding settings.
        progress: called with the number of sequences done after each batch.
    """
    result = _empty(count, len(decoding_grid(settings)))
    for batch, hidden in passes:
        _put(_score_batch(loaded, batch, hidden, settings), batch.indices, result)
        if progress is not None:
            progress(len(batch.indices))
    return result


def _score_batch(
    loaded: LoadedModel,
    batch: MarkedBatch,
    hidden: Float[Tensor, "marked width"],
    settings: DecodingSettings,
) -> Scores:
    """Return the metrics of a batch's rows."""
    grid = decoding_grid(settings)
    blocks = [
        score_tokens(logits, batch.targets[place], grid, settings.worst_case_rank)
        for place, logits in logit_blocks(loaded, hidden)
    ]
    return _reduce(batch, TokenScores.joined(blocks))


def score_tokens(
    logits: Float[Tensor, "marked vocabulary"],
    targets: Int[Tensor, " marked"],
    grid: Sequence[Decoding],
    worst_case_rank: int,
) -> TokenScores:
    """Derive rank and log-probabilities of each target under each decoding from one set of logits.

    Args:
        logits: logits that predict the targets.
        targets: token ids s_t.
        grid: decodings.
        worst_case_rank: m, the highest rank from which the worst case draws uniformly.
    """
    own = logits.gather(1, targets[:, None])
    rank = (logits > own).sum(1) + 1  # r_t
    log_rank = rank.log()
    totals = {t: (logits / t).logsumexp(1) for t in dict.fromkeys(d.temperature for d in grid)}
    plain = {temperature: own[:, 0] / temperature - total for temperature, total in totals.items()}
    log_q = torch.empty(len(grid), len(logits), device=logits.device)  # ln q(s_t | c, s_<t)
    for rows, best in _best_first(logits, own, grid, totals):
        for temperature, decodings in groupby(enumerate(grid), key=lambda item: item[1].temperature):
            p = (best / temperature - totals[temperature][rows, None]).exp_()
            mass = p.cumsum(1)
            for row, decoding in decodings:
                log_q[row, rows] = _log_q(plain[temperature][rows], rank[rows], p, mass, decoding)
    return TokenScores(
        rank=rank,
        log_probability=own[:, 0] - (totals[1.0] if 1.0 in totals else logits.logsumexp(1)),
        log_worst_case=torch.stack(  # ln (1/r_t) if r_t <= m, else ln q_t
            [torch.where(rank <= worst_case_rank, -log_rank, log_p) for log_p in plain.values()]
        ),
        log_q=log_q,
    )


def _best_first(
    logits: Float[Tensor, "marked vocabulary"],
    own: Float[Tensor, "marked 1"],
    grid: Sequence[Decoding],
    totals: Mapping[float, Float[Tensor, " marked"]],
) -> Iterator[tuple[Int[Tensor, " rows"], Float[Tensor, "rows best"]]]:
    """Yield rows with their logits in descending order, as many as any top-k or top-p of the grid can keep.

    More than a few are sorted only where these do not hold the largest top-p's mass at the highest temperature, and
    where the target is not beyond that mass: then every top-p excludes it, and the few are enough to say so.

    Args:
        logits: logits of all marked tokens.
        own: those of the targets.
        grid: decodings.
        totals: temperature -> the logarithm of the sum that probabilities at it are divided by.
    """
    rows = torch.arange(len(logits), device=logits.device)
    width = max(FEW_TOKENS, *(decoding.top_k or 0 for decoding in grid))
    largest = max((d.top_p for d in grid if d.top_p is not None and d.top_p < 1), default=0.0)
    hottest = max(decoding.temperature for decoding in grid)
    while len(rows) and 2 * width < logits.shape[1]:
        some = logits if len(rows) == len(logits) else logits[rows]
        best = some.topk(width, dim=1).values
        enough = (best / hottest - totals[hottest][rows, None]).exp_().sum(1) > largest + ROUNDING
        beyond = ~enough & (own[rows, 0] < best[:, -1])
        beyond[beyond.clone()] = _mass_above(
            some[beyond], own[rows[beyond]], totals[hottest][rows[beyond]], hottest
        ) > (largest + ROUNDING)
        settled = enough | beyond
        yield rows[settled], best[settled]
        rows, width = rows[~settled], width * WIDER
    if len(rows):
        yield rows, logits[rows].sort(dim=1, descending=True).values


def _mass_above(
    logits: Float[Tensor, "rows vocabulary"],
    own: Float[Tensor, "rows 1"],
    totals: Float[Tensor, " rows"],
    temperature: float,
) -> Float[Tensor, " rows"]:
    """Return the probability of all tokens that are more probable than the target."""
    p = (logits / temperature - totals[:, None]).exp_()
    return p.masked_fill_(logits <= own, 0.0).sum(1)


def _log_q(
    plain: Float[Tensor, " marked"],
    rank: Int[Tensor, " marked"],
    p: Float[Tensor, "marked best"],
    mass: Float[Tensor, "marked best"],
    decoding: Decoding,
) -> Float[Tensor, " marked"]:
    """Return ln q of targets after top-k and top-p, in nats; -inf where they exclude it.

    Args:
        plain: ln p of the targets at the decoding's temperature.
        rank: ranks of the targets, from 1.
        p: probabilities at that temperature, descending.
        mass: running sum of these probabilities.
        decoding: decoding, which says what is cut off.
    """
    log_q, excluded = plain, torch.zeros_like(rank, dtype=torch.bool)
    if decoding.top_k is not None and decoding.top_k < p.shape[1]:
        excluded = rank > decoding.top_k
        p, mass = p[:, : decoding.top_k], mass[:, : decoding.top_k]
        log_q = plain - mass[:, -1].log()
    if decoding.top_p is not None and decoding.top_p < 1:
        whole = mass[:, -1:] if decoding.top_k is not None else 1.0
        inside = ((mass - p) < decoding.top_p * whole).sum(1)
        log_q = plain - mass.gather(1, inside[:, None] - 1)[:, 0].log()
        excluded = excluded | (rank > inside)
    return log_q.masked_fill(excluded, -torch.inf)


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


def _put(scores: Scores, indices: Sequence[int], into: Scores) -> None:
    """Put the scores of some sequences into their places of the result."""
    where = np.array(indices)
    for name, values in vars(scores).items():
        getattr(into, name)[..., where] = values


def _reduce(batch: MarkedBatch, tokens: TokenScores) -> Scores:
    """Sum, or otherwise reduce, the tokens of each row."""
    rows = len(batch.indices)

    def total(values: Tensor) -> NDArray[np.float64]:
        zeros = torch.zeros(*values.shape[:-1], rows, dtype=torch.float64, device=values.device)
        sums: NDArray[np.float64] = zeros.index_add_(-1, batch.rows, values.double()).cpu().numpy()
        return sums

    right = tokens.rank == 1
    length = total(torch.ones_like(tokens.log_probability))
    return Scores(
        tokens=length.astype(np.int64),
        exact_memorisation=total(right) / length,
        greedy=total(~right) == 0,
        # 1 - (shortest prefix after which the rest is right) / k
        extraction_strength=_right_run_at_end(right, batch.rows, rows) / length,
        log_probability=total(tokens.log_probability),
        # -log2 of the highest of the temperatures' products; + 0.0 makes -0.0 a 0
        worst_case_bits=-total(tokens.log_worst_case).max(0) / LN2 + 0.0,
        log_p_z=np.minimum(total(tokens.log_q), 0.0),  # ln p_z = sum_t ln q_t
    )


def _right_run_at_end(right: Tensor, rows: Tensor, count: int) -> NDArray[np.float64]:
    """Count for each row how many of its last tokens are right in an unbroken run to the end."""
    run = np.zeros(count)
    broken = np.zeros(count, dtype=bool)
    for is_right, row in zip(reversed(right.tolist()), reversed(rows.tolist()), strict=True):
        broken[row] |= not is_right
        run[row] += not broken[row]
    return run
