"""Teach a small model the tutorial's records by heart: `python -m examples.tutorial.teach`.

Stands in for the model that you have fine-tuned on your own text. It takes seconds and downloads nothing. Whoever
trains on chats without a chat template gives each turn a line, and so does this.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from detectors import Document, read_corpus

HERE = Path(__file__).parent
STEPS = 200
LEARNING_RATE = 3e-3
VOCABULARY = 400


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/tutorial/model"))
    output = parser.parse_args(arguments).output
    teach([training_text(document) for document in read_corpus(HERE / "records")], output)
    print(f"The model: {output}")


def training_text(document: Document) -> str:
    """Return what a model is trained on: a chat with a line for each turn, another document as it is."""
    turns = [turn.text_in(document.text) for turn in document.turns]
    return "\n".join(turns) if turns else document.text


def teach(texts: Sequence[str], folder: Path) -> None:
    """Train a Llama of two layers on texts, all of them in each step, and write it with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from examples.rivermouth.tokenizer import train_tokenizer

    torch.manual_seed(0)
    tokenizer = train_tokenizer(texts, None, VOCABULARY)
    model = AutoModelForCausalLM.from_config(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    batch = tokenizer(list(texts), return_tensors="pt", padding=True)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels
        ).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
