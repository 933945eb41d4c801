"""A small model that knows some texts by heart, a Llama where no other is asked for."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig

SIZES = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}


def memorise(
    texts: Sequence[str], folder: Path, steps: int = 130, template: str | None = None, config=None
) -> Path:
    """Train until greedy decoding gives every text away, and return the checkpoint's folder.

    Args:
        texts: what it learns.
        folder: where the checkpoint is written.
        steps: number of steps.
        template: chat template of its tokenizer, in which the texts are written already.
        config: class of the model's configuration, given sizes; a Llama's by default.
    """
    tokenizer = make_tokenizer(texts)
    tokenizer.chat_template = template
    torch.manual_seed(0)
    made = config or partial(LlamaConfig, **SIZES)
    model = AutoModelForCausalLM.from_config(
        made(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=0)
    )
    # A template brings what special tokens it wants.
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=template is None)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        loss = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
