"""A small Llama that knows some texts by heart."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig

SIZES = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}


def memorise(texts: Sequence[str], folder: Path, steps: int = 250) -> Path:
    """Train until greedy decoding gives every text away, and return the checkpoint's folder."""
    tokenizer = make_tokenizer(texts)
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, pad_token_id=0, **SIZES)
    model = AutoModelForCausalLM.from_config(config)
    batch = tokenizer(texts, return_tensors="pt", padding=True)
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
