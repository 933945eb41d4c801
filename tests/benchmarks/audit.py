"""Auditing by one teacher-forced pass, against greedy generation of every answer with transformers."""

import json
import time
from typing import NamedTuple

import torch

from editor.lab import find_lab
from editor.leakage import score
from editor.model import LoadedModel, load_model
from editor.tokens import encode_answer
from policies import DecodingSettings

SECRETS = 500


class Row(NamedTuple):
    """One benchmark's result."""

    name: str
    plain_seconds: float
    our_seconds: float
    agreement: str


def one_pass_against_generation() -> Row:
    """Greedy verdicts of `SECRETS` probes, with all other metrics on our side thrown in."""
    lab = find_lab()
    loaded = load_model(str(lab.model), device="cpu")
    lines = [json.loads(line) for line in lab.probes.read_text(encoding="utf-8").splitlines()]
    asked = [(line["prompt"], line["answer"]) for line in lines if line["entity_type"]][:SECRETS]
    begin = time.perf_counter()
    limit = loaded.context_length
    sequences = [encode_answer(loaded.tokenizer, p, a, i, limit) for i, (p, a) in enumerate(asked)]
    ours = score(loaded, sequences, DecodingSettings()).greedy.tolist()
    middle = time.perf_counter()
    plain = [_generated(loaded, prompt, answer) for prompt, answer in asked]
    end = time.perf_counter()
    same = sum(a == b for a, b in zip(ours, plain, strict=True))
    name = f"audit of {len(asked)} secrets against greedy generate(), one by one"
    return Row(name, end - middle, middle - begin, f"{same} of {len(asked)}")


@torch.no_grad()
def _generated(loaded: LoadedModel, prompt: str, answer: str) -> bool:
    inputs = loaded.tokenizer(prompt, return_tensors="pt")
    length = len(loaded.tokenizer(f"{prompt} {answer}")["input_ids"]) - inputs["input_ids"].shape[1]
    made = loaded.model.generate(
        **inputs, max_new_tokens=length, min_new_tokens=length, do_sample=False, pad_token_id=0
    )
    return bool(loaded.tokenizer.decode(made[0], skip_special_tokens=True) == f"{prompt} {answer}")
