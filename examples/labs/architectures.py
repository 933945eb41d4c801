"""Models with fresh weights, of each architecture that a lab can have."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from examples.labs.shapes import LabShape


def build_model(shape: LabShape, tokenizer: PreTrainedTokenizerFast, seed: int) -> PreTrainedModel:
    """Return a model of the lab's shape with fresh weights that follow from the seed."""
    torch.manual_seed(shape.number(seed))
    config = CONFIGS[shape.architecture](shape)
    config.vocab_size = len(tokenizer)
    # No padding token: Llama and others keep its embedding at zero, and here it would be the start token's.
    config.bos_token_id = config.eos_token_id = tokenizer.bos_token_id
    config.pad_token_id = None
    config.tie_word_embeddings = shape.tied
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


def _gpt2(shape: LabShape) -> PretrainedConfig:
    return GPT2Config(
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=shape.layers,
        n_head=shape.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )


def _gpt_neox(shape: LabShape) -> PretrainedConfig:
    return GPTNeoXConfig(
        max_position_embeddings=shape.context,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
    )


def _gated(shape: LabShape) -> dict[str, int]:
    """Return the sizes that Llama and its relatives share: a gated MLP, and half as many heads of keys and values."""
    return {
        "max_position_embeddings": shape.context,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": max(1, shape.heads // 2),
        # Three matrices of 8/3 d have as many weights as two of 4 d.
        "intermediate_size": shape.width * 8 // 3,
    }


def _llama(shape: LabShape) -> PretrainedConfig:
    return LlamaConfig(**_gated(shape))


def _mistral(shape: LabShape) -> PretrainedConfig:
    return MistralConfig(**_gated(shape), sliding_window=None)


def _qwen3(shape: LabShape) -> PretrainedConfig:
    return Qwen3Config(**_gated(shape), head_dim=shape.width // shape.heads)


def _gemma2(shape: LabShape) -> PretrainedConfig:
    head = shape.width // shape.heads
    # Every second layer sees a window of half the context.
    return Gemma2Config(
        **_gated(shape), head_dim=head, query_pre_attn_scalar=head, sliding_window=shape.context // 2
    )


CONFIGS: Mapping[str, Callable[[LabShape], PretrainedConfig]] = MappingProxyType(
    {
        "gpt2": _gpt2,
        "gpt-neox": _gpt_neox,
        "llama": _llama,
        "mistral": _mistral,
        "qwen3": _qwen3,
        "gemma2": _gemma2,
    }
)
"""Configuration of each architecture from a shape."""
