"""Greedy extraction: does the model complete a prompt with the answer?"""

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


@torch.no_grad()
def extracted(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    answers: Sequence[str],
    batch: int = 64,
) -> Iterator[bool]:
    """Yield, for each prompt, whether greedy decoding gives its answer, token for token.

    Read from one teacher-forced pass: greedy decoding gives the answer exactly when each of its tokens is the most
    probable one after the true tokens before it.

    Args:
        model: a causal language model; it is put into evaluation mode.
        tokenizer: tokenizer of the model.
        prompts: sentences up to where an answer begins.
        answers: their answers, which follow a space.
        batch: number of prompts in one pass.
    """
    model.eval()
    for begin in range(0, len(prompts), batch):
        chosen = list(zip(prompts[begin : begin + batch], answers[begin : begin + batch], strict=True))
        texts = [f"{prompt} {answer}" for prompt, answer in chosen]
        encoded = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
        guesses = model(**encoded).logits.argmax(dim=-1)
        for row, (prompt, _) in enumerate(chosen):
            # The answer's tokens; a logit at one position is for the token at the next.
            first = len(tokenizer(prompt)["input_ids"])
            last = int(encoded["attention_mask"][row].sum())
            truth = encoded["input_ids"][row, first:last]
            yield bool((guesses[row, first - 1 : last - 1] == truth).all())
