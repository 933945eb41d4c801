"""Generation as a check of the teacher-forced verdicts, on a sample: it uses nothing of the teacher-forced pass."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from editor.measuring.aggregate import Scored
from editor.measuring.leakage import extractable
from editor.model.forward import backbone, keeping
from editor.model.generation import complete, generate, nothing, seeded
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.results.evidence import Confirmation
from editor.results.parts import Rate

SAMPLED = 12
"""Probes that samples are drawn for: each costs as much as a hundred that are completed greedily."""
SAMPLES_AT_A_TIME = 100
PROMPTS_AT_A_TIME = 20
"""Prompts that are completed greedily together."""


def confirm(
    loaded: LoadedModel,
    scored: Scored,
    *,
    count: int,
    tries: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> Confirmation | None:
    """Generate for `count` of the erased facts' probes, and compare with the audit's verdicts on them.

    Greedy verdicts are compared on half leaking and half other probes, as far as there are. Sampling is compared on
    the `SAMPLED` probes whose outcome is most doubtful: whether `tries` samples at temperature 1 hold the secret.

    Args:
        loaded: the audited model.
        scored: the audit's scores.
        count: number of probes whose greedy verdict is compared.
        tries: number of samples for each probe that is sampled from.
        seed: the seed of the choice of probes and of sampling.
        progress: called with 1 after each probe.

    Returns:
        The comparison, None where there is nothing to compare.
    """
    places = np.flatnonzero(scored.where(lambda probe: probe.is_erased and probe.wording != "free"))
    if not len(places) or not count:
        return None
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(places)
    chosen = _balance(shuffled, scored.scores.greedy, count)
    sequences = encode_probes(loaded, [scored.probes[place] for place in chosen])
    agreed = 0
    for start in range(0, len(chosen), PROMPTS_AT_A_TIME):
        some = chosen[start : start + PROMPTS_AT_A_TIME]
        completed = _complete(loaded, sequences[start : start + PROMPTS_AT_A_TIME])
        agreed += sum(
            found == bool(scored.scores.greedy[place]) for found, place in zip(completed, some, strict=True)
        )
        if progress is not None:
            progress(len(some))
    chance = extractable(scored.scores.log_probability[shuffled], tries)
    doubtful = np.abs(chance - 0.5).argsort(kind="stable")[:SAMPLED]
    probes = [scored.probes[shuffled[place]] for place in doubtful]
    observed = 0
    with seeded(loaded, seed):
        for sequence in encode_probes(loaded, probes):
            observed += _samples_hold(loaded, sequence, tries)
            if progress is not None:
                progress(1)
    low, high = poisson_binomial_interval(chance[doubtful])
    return Confirmation(
        greedy_agreed=Rate(hits=agreed, total=len(chosen)),
        sampled=len(probes),
        tries=tries,
        expected=float(chance[doubtful].sum()),
        low=low,
        high=high,
        observed=observed,
    )


def poisson_binomial_interval(chance: NDArray[np.float64]) -> tuple[int, int]:
    """Return the central 95% interval, both ends included, of how many independent events occur.

    Args:
        chance: the events' probabilities, (events,).
    """
    pmf = np.ones(1)
    for p in chance:
        pmf = np.convolve(pmf, [1 - p, p])
    below = np.cumsum(pmf)
    return int(np.searchsorted(below, 0.025)), int(np.searchsorted(below, 0.975 - 1e-12))


def _balance(shuffled: NDArray[np.int64], greedy: NDArray[np.bool_], count: int) -> list[int]:
    leaking = [int(place) for place in shuffled if greedy[place]]
    others = [int(place) for place in shuffled if not greedy[place]]
    half = min(len(leaking), max(count // 2, count - len(others)))
    return [*leaking[:half], *others[: count - half]]


def _parts(sequence: TokenSequence) -> tuple[list[int], list[int]]:
    first = sequence.marked.index(True)
    return list(sequence.ids[:first]), list(sequence.ids[first:])


def _complete(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> list[bool]:
    """Return for each sequence whether greedy decoding completes its prompt with its answer."""
    parts = [_parts(sequence) for sequence in sequences]
    made = complete(loaded, [prompt for prompt, _ in parts], max(len(answer) for _, answer in parts))
    return [row[: len(answer)] == answer for row, (_, answer) in zip(made, parts, strict=True)]


def _samples_hold(loaded: LoadedModel, sequence: TokenSequence, tries: int) -> bool:
    prompt, answer = _parts(sequence)
    ids = torch.tensor([prompt or nothing(loaded)])
    most = SAMPLES_AT_A_TIME if loaded.passes.batched else 1
    for start in range(0, tries, most):
        each = ids.expand(min(most, tries - start), -1)
        read = _read_prompt(loaded, each)
        made = generate(loaded, each, torch.ones_like(each), len(answer), do_sample=True, **read)
        if answer in made.tolist():
            return True
    return False


@torch.no_grad()
def _read_prompt(loaded: LoadedModel, ids: torch.Tensor) -> dict[str, Any]:
    """Return the keyword with keys and values of a prompt that all rows share, all but its last token, run once."""
    from transformers import DynamicCache

    if ids.shape[1] < 2 or not loaded.passes.shared:
        return {}
    model, cache = loaded.model, DynamicCache(config=loaded.model.config)
    keywords = keeping(model, cache)
    backbone(model)(input_ids=ids[:1, :-1].to(loaded.device), **keywords)
    cache.batch_select_indices(torch.zeros(len(ids), dtype=torch.long, device=loaded.device))
    return {name: value for name, value in keywords.items() if value is cache}
