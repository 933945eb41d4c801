"""Checkpoints of tiny random decoders with a tokenizer, written once a session."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
from tokenizing import VOCABULARY, make_tokenizer
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
)

from editor.model.loading import LoadedModel, load_model

SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 96,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
FAMILIES = {
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY, n_embd=24, n_layer=2, n_head=2, n_positions=96, bos_token_id=0, eos_token_id=0
    ),
    "gpt_neox": GPTNeoXConfig(**SIZES),
    "llama": LlamaConfig(**SIZES, num_key_value_heads=1),
    "gemma2": Gemma2Config(**SIZES, num_key_value_heads=1, head_dim=12, sliding_window=32),
    "qwen2": Qwen2Config(**SIZES, num_key_value_heads=1),
    "mistral": MistralConfig(**SIZES, num_key_value_heads=1, sliding_window=32),
    "phi3": Phi3Config(**SIZES, num_key_value_heads=1),
}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write (once) and return the checkpoint folder of a family, in a dtype."""

    @cache
    def write(family: str, dtype: torch.dtype = torch.float32) -> Path:
        folder = tmp_path_factory.mktemp(f"{family}-{dtype}".replace(".", "-"))
        torch.manual_seed(sum(map(ord, family)))
        model = AutoModelForCausalLM.from_config(deepcopy(FAMILIES[family])).to(dtype)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "norm" in name or "ln_" in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                else:
                    parameter.mul_(8)  # far from uniform predictions, so that ranks mean something
        model.save_pretrained(folder)
        make_tokenizer().save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def loaded(checkpoint: Callable[..., Path]) -> Callable[..., LoadedModel]:
    """Load a family's tiny checkpoint on the CPU. Tests must leave it as it was."""

    @cache
    def load(family: str, dtype: torch.dtype = torch.float32) -> LoadedModel:
        return load_model(str(checkpoint(family, dtype)), device="cpu")

    return load
