"""The embedded lab as the studies read it: models, and text that dictionaries are trained on or judged by."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from dictionaries import TokenBatch, token_batches

FOLDER = Path(__file__).resolve().parents[2] / "rivermouth"
CONTEXT_TOKENS = 128
"""Longest input of the lab's models."""
JUDGED_EVERY = 10
"""Every tenth document judges, as in the build of the lab's own dictionaries."""

Say = Callable[[str], None]
"""Callback that is told what a study is doing."""


@cache
def lab_tokenizer() -> PreTrainedTokenizerFast:
    """Load the tokenizer of all models of the lab."""
    return PreTrainedTokenizerFast.from_pretrained(FOLDER / "model")


@cache
def lab_model(name: str = "model") -> PreTrainedModel:
    """Load `model`, which memorised the corpus, or `reference`, which never saw five of the people."""
    return AutoModelForCausalLM.from_pretrained(FOLDER / name, dtype=torch.float32).eval()


@cache
def lab_documents() -> tuple[str, ...]:
    """Read the documents of the corpus."""
    lines = (FOLDER / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


@cache
def lab_probes() -> tuple[dict[str, Any], ...]:
    """Read the probes: facts in wordings that are in no document, and public facts in the trained wordings."""
    lines = (FOLDER / "probes.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def training_texts(limit: int | None = None) -> list[str]:
    """Return documents that dictionaries are trained on; the first so many where a limit is given."""
    return [text for place, text in enumerate(lab_documents()) if place % JUDGED_EVERY][:limit]


def judged_texts(limit: int | None = None) -> list[str]:
    """Return documents that dictionaries are judged by and do not see in training."""
    return [text for place, text in enumerate(lab_documents()) if place % JUDGED_EVERY == 0][:limit]


def batches_of(texts: Iterable[str]) -> list[TokenBatch]:
    """Return token batches in the order of the texts."""
    return list(token_batches(texts, lab_tokenizer(), context=CONTEXT_TOKENS))
