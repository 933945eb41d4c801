"""PEFT adapters of tiny checkpoints: trained-looking, saved as people save them, and spoilt."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

TARGETS = ("q_proj", "down_proj")
WEIGHTS = "adapter_model.safetensors"


def lora(**settings: Any) -> LoraConfig:
    """A LoRA configuration for a causal language model."""
    return LoraConfig(**{"task_type": "CAUSAL_LM", "r": 4, "target_modules": list(TARGETS), **settings})


def save_adapter_of(base: Path, config: Any, folder: Path, *, added: int = 0) -> PeftModel:
    """Save an adapter whose every tensor is moved from its start, and return the model that it was saved from.

    Args:
        base: the base model's folder.
        config: PEFT's configuration.
        folder: where it is saved.
        added: number of tokens that are added to the vocabulary; the tokenizer is then saved with it.
    """
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    if added:
        tokenizer.add_tokens([f"<added-{number}>" for number in range(added)])
        model.resize_token_embeddings(len(tokenizer))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT's advice on ties and on what it saves
        adapted = get_peft_model(model, config)
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
        adapted.save_pretrained(folder)
    if added:
        tokenizer.save_pretrained(folder)
    return adapted.eval()


def changed_copy(folder: Path, target: Path, change: Any) -> Path:
    """Copy an adapter with its tensors changed: `change` takes them by name and returns those to write."""
    shutil.copytree(folder, target)
    tensors: dict[str, Tensor] = change(load_file(target / WEIGHTS))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target / WEIGHTS)
    return target


def reconfigured(folder: Path, target: Path, **entries: Any) -> Path:
    """Copy an adapter with entries of its configuration set."""
    shutil.copytree(folder, target)
    path = target / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    return target
