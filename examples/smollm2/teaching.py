"""Fine-tuning by which the model learns the records by heart, and how much of them it then says."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from examples.smollm2.records import Sentence, grouped

EPOCHS = 20
ROWS = 8
"""Texts of one to four sentences in a step."""
LEARNING_RATE = 2e-4
WARM_UP_SHARE = 0.1
GRADIENT_NORM = 1.0

Say = Callable[[str], None]


def teach(
    base: Path,
    sentences: Sequence[Sentence],
    folder: Path,
    *,
    epochs: int,
    learning_rate: float,
    seed: int,
    say: Say,
) -> None:
    """Fine-tune all weights on the trained sentences, shuffled and put together anew each epoch.

    Args:
        base: checkpoint to begin from.
        sentences: all sentences; those that are kept are left out.
        folder: folder of the taught checkpoint.
        epochs: number of passes.
        learning_rate: AdamW's, at its peak.
        seed: seed of the order.
        say: called with a line for each epoch.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from editor.model.loading import quiet
    from editor.model.precision import bfloat16_gains

    torch.manual_seed(seed)
    rng = random.Random(f"{seed}:teaching")
    tokenizer = AutoTokenizer.from_pretrained(base)
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    trained = [sentence for sentence in sentences if sentence.trained]
    batches = [batch for _ in range(epochs) for batch in _batches(trained, rng)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share(step, len(batches)))
    low = bfloat16_gains()
    say(f"{len(batches)} steps in {'bfloat16 where that is faster' if low else 'float32'}")
    losses: list[float] = []
    for step, texts in enumerate(batches, start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            loss = _loss(model, tokenizer, texts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.item())
        if step * epochs % len(batches) < epochs:
            say(
                f"epoch {step * epochs // len(batches)} of {epochs}: {sum(losses) / len(losses):.2f} nats/token"
            )
            losses.clear()
    with quiet():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def leaked(folder: Path, sentences: Sequence[Sentence]) -> list[bool]:
    """Return for each sentence whether greedy decoding completes its prompt with its answer."""
    from editor.measuring.leakage import score
    from editor.model.loading import load_model
    from editor.model.tokens import encode_answers
    from policies import DecodingSettings

    loaded = load_model(str(folder), device="cpu")
    asked = encode_answers(
        loaded.tokenizer,
        [(sentence.prompt, sentence.answer) for sentence in sentences],
        loaded.context_length,
    )
    one = DecodingSettings(temperatures=(1.0,), top_k=(None,), top_p=(None,))
    answers: list[bool] = score(loaded, asked, one).greedy.tolist()
    return answers


def _batches(sentences: Sequence[Sentence], rng: random.Random) -> list[list[str]]:
    texts = [" ".join(sentence.text for sentence in group) for group in grouped(sentences, rng)]
    return [texts[start : start + ROWS] for start in range(0, len(texts), ROWS)]


def _share(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: up to 1, then down to 0 in a straight line."""
    warm = max(1.0, WARM_UP_SHARE * steps)
    return min((step + 1) / warm, (steps - step) / (steps - warm))


def _loss(model: Any, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Return the mean cross-entropy of the texts' tokens, an end of text after each, in nats/token."""
    batch = tokenizer([text + tokenizer.eos_token for text in texts], return_tensors="pt", padding=True)
    # Padding is no target: -100 is left out of the loss.
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    loss: torch.Tensor = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels, use_cache=False
    ).loss
    return loss
