"""Generation by exactly the model's distribution, whatever the checkpoint's own settings for it say."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.tokens import half_rows


def complete(loaded: LoadedModel, prompts: Sequence[Sequence[int]], length: int) -> list[list[int]]:
    """Return the tokens by which greedy decoding goes on after each prompt, `length` of them.

    All are made in one batch, where the model's passes let them.

    Args:
        loaded: the model.
        prompts: token ids of each prompt; an empty one begins at the beginning of a text.
        length: number of tokens.
    """
    begun = [list(prompt) or nothing(loaded) for prompt in prompts]
    made: list[list[int]] = [[] for _ in begun]
    for places in together(loaded, begun):
        several = _Prompts([begun[place] for place in places])
        found = in_halves(lambda some: complete_together(loaded, some.prompts, length), several, _joined)
        for place, tokens in zip(places, found, strict=True):
            made[place] = tokens
    return made


@dataclass(frozen=True)
class _Prompts:
    """Prompts that are completed together."""

    prompts: Sequence[Sequence[int]] = field(repr=False)

    def halves(self) -> list["_Prompts"]:
        """Return both halves; itself alone where it is one."""
        return [_Prompts(self.prompts[start:stop]) for start, stop in half_rows(len(self.prompts))]


def _joined(halves: list[list[list[int]]]) -> list[list[int]]:
    return [tokens for found in halves for tokens in found]


def together(loaded: LoadedModel, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the places of the prompts that may be completed in one batch each."""
    groups: dict[int, list[int]] = defaultdict(list)
    for place, prompt in enumerate(prompts):
        alike = 0 if loaded.passes.mixed else len(prompt)
        groups[alike if loaded.passes.batched else place].append(place)
    return list(groups.values())


def complete_together(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], length: int, **watched: Any
) -> list[list[int]]:
    """Complete prompts in one batch. Padding stands on the left, so that all go on from the same position."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[loaded.pad_id] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    made: list[list[int]] = generate(loaded, ids, mask, length, do_sample=False, **watched).tolist()
    return made


def nothing(loaded: LoadedModel) -> list[int]:
    """Return the tokens of a prompt without any."""
    return [loaded.tokenizer.eos_token_id or 0]


@torch.no_grad()
def generate(
    loaded: LoadedModel,
    ids: torch.Tensor,
    mask: torch.Tensor,
    length: int,
    *,
    do_sample: bool,
    temperature: float = 1.0,
    **read: Any,
) -> torch.Tensor:
    """Return exactly `length` tokens after prompts, (rows, length), unless `read` stops it; sampled from all tokens.

    Args:
        loaded: the model.
        ids: prompts, (rows, positions).
        mask: 1 where a position is no padding, (rows, positions).
        length: number of tokens.
        do_sample: whether tokens are drawn; else the likeliest are taken.
        temperature: temperature of sampling.
        read: other keywords of transformers, such as a cache of what all rows begin with.
    """
    from transformers import GenerationConfig

    ids, mask = ids.to(loaded.device), mask.to(loaded.device)
    # Whatever the checkpoint's own generation settings could change is set: they are not what is compared.
    plain = GenerationConfig(
        max_new_tokens=length,
        pad_token_id=loaded.pad_id,
        eos_token_id=None,
        temperature=temperature if do_sample else None,
        top_k=0 if do_sample else None,
        top_p=1.0 if do_sample else None,
        do_sample=do_sample,
        use_cache=loaded.passes.cached,
    )
    with no_settings(loaded.model):
        made: torch.Tensor = loaded.model.generate(
            input_ids=ids, attention_mask=mask, generation_config=plain, **read
        )
    return made[:, ids.shape[1] :]


def answer(
    loaded: LoadedModel, prompt: Sequence[int], length: int, *, temperature: float = 0.0, seed: int = 0
) -> list[int]:
    """Return the tokens with which a model goes on after a prompt, until it ends its text.

    Args:
        loaded: the model.
        prompt: tokens of the prompt; of one longer than the model's context, the end is read.
        length: most tokens of the answer, as far as the context has room for them.
        temperature: temperature of sampling from all tokens; 0 takes the likeliest.
        seed: seed of sampling.
    """
    from transformers import EosTokenCriteria, StoppingCriteriaList

    context = loaded.context_length
    asked = (list(prompt) or nothing(loaded))[min(length, context // 2) - context :]
    ids, room = torch.tensor([asked]), context - len(asked)
    ends = end_tokens(loaded)
    stop = {"stopping_criteria": StoppingCriteriaList([EosTokenCriteria(ends)])} if ends else {}
    with seeded(loaded, seed):
        made = generate(
            loaded,
            ids,
            torch.ones_like(ids),
            min(length, room),
            do_sample=temperature > 0,
            temperature=temperature,
            **stop,
        )
    row: list[int] = made[0].tolist()
    return row[: next((place for place, token in enumerate(row) if token in ends), len(row))]


def end_tokens(loaded: LoadedModel) -> list[int]:
    """Return the tokens that end a text: the tokenizer's own, and those of the checkpoint's generation settings."""
    stated = loaded.model.generation_config.eos_token_id if loaded.model.generation_config else None
    several = stated if isinstance(stated, list) else [stated]
    return [token for token in dict.fromkeys((loaded.tokenizer.eos_token_id, *several)) if token is not None]


@contextmanager
def no_settings(model: Any) -> Iterator[None]:
    """Take away a checkpoint's own generation settings inside the `with` block.

    What a given configuration leaves open is filled with them, a penalty on repetition for instance.
    """
    from transformers import GenerationConfig

    kept = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = kept


@contextmanager
def seeded(loaded: LoadedModel, seed: int) -> Iterator[None]:
    """Seed torch's generators inside the `with` block, and restore them after it."""
    devices = [loaded.device] if loaded.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
