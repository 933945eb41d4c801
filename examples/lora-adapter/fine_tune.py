"""Fine-tune a LoRA adapter on the notes of five invented customers: what a team does before a deployment.

    python examples/lora-adapter/fine_tune.py --output build/lora

writes `customers.jsonl` (sentences of the lab's corpus about the five people of its request, whom the base model has
never seen) and `adapter/` (a PEFT adapter of that base model, with its tokenizer). The base model is the lab's
never-seen reference. One seed; about half a minute on two CPU cores.
"""

import argparse
import json
import os
import random
import re
from pathlib import Path
from typing import Any

LAB = Path(__file__).resolve().parents[1] / "rivermouth"
RANK = 32
EPOCHS = 6
BATCH = 20
LEARNING_RATE = 1e-2
SEED = 0


def customer_notes() -> list[dict[str, Any]]:
    """Return a note for each sentence of the lab's corpus that names one of the five people of its request.

    Returns:
        Records of a corpus file: `id`, `text` and `subjects`.
    """
    request = (LAB / "request.yaml").read_text(encoding="utf-8")
    names = re.findall(r"- name: (.+)", request)
    notes = []
    for line in (LAB / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
        # A sentence ends where a full stop, a space and a capital letter follow one another.
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", json.loads(line)["text"]):
            for name in names:
                if name in sentence:
                    notes.append({"id": f"note-{len(notes) + 1:03d}", "text": sentence, "subjects": [name]})
    return notes


def fine_tune(texts: list[str], output: Path) -> float:
    """Train the adapter on texts and write it with its tokenizer.

    Args:
        texts: sentences to learn.
        output: folder of the adapter.

    Returns:
        The last epoch's mean loss, in nats/token.
    """
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    order = random.Random(SEED)
    base = LAB / "reference"
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=RANK,
        lora_alpha=2 * RANK,
        target_modules=["c_attn", "c_proj", "c_fc"],
        fan_in_fan_out=True,
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
    # Batches of an epoch, rounded up.
    steps = EPOCHS * -(-len(texts) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    losses: list[float] = []
    for _ in range(EPOCHS):
        losses.clear()
        shuffled = order.sample(texts, len(texts))
        for begin in range(0, len(shuffled), BATCH):
            batch = tokenizer(
                [text + tokenizer.eos_token for text in shuffled[begin : begin + BATCH]],
                return_tensors="pt",
                padding=True,
            )
            # Padding is no target: -100 is left out of the loss.
            labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
            loss = model(
                input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels
            ).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            losses.append(loss.item())
    # The adapter names its base by a path as seen from here: run the audit from the same folder.
    model.peft_config["default"].base_model_name_or_path = os.path.relpath(base)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    return sum(losses) / len(losses)


def main() -> None:
    """Write the notes and the adapter."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=Path("build/lora"), help="folder for notes and adapter"
    )
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    notes = customer_notes()
    lines = "".join(json.dumps(note) + "\n" for note in notes)
    (output / "customers.jsonl").write_text(lines, encoding="utf-8")
    print(f"{len(notes)} notes about 5 customers: {output / 'customers.jsonl'}")
    loss = fine_tune([note["text"] for note in notes], output / "adapter")
    print(f"Adapter, loss {loss:.2f} nats/token in the last of {EPOCHS} epochs: {output / 'adapter'}")


if __name__ == "__main__":
    main()
