"""Tiny random decoders of all seven families."""

from functools import cache

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

from editor.model.loading import LoadedModel, attention


def configs(heads, groups):
    """A configuration a family; `groups` of heads share keys and values where the family lets them."""
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    sizes = {
        **ends,
        "vocab_size": VOCABULARY,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "intermediate_size": 40,
        "max_position_embeddings": 96,
        "pad_token_id": 0,
    }
    grouped = {**sizes, "num_key_value_heads": groups}
    return {
        "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=24, n_layer=2, n_head=heads, n_positions=96, **ends),
        "gpt_neox": GPTNeoXConfig(**sizes),
        "llama": LlamaConfig(**grouped),
        "gemma2": Gemma2Config(**grouped, head_dim=24 // heads, sliding_window=32),
        "qwen2": Qwen2Config(**grouped),
        "mistral": MistralConfig(**grouped, sliding_window=32),
        "phi3": Phi3Config(**grouped),
    }


CONFIGS = configs(heads=4, groups=2)
FAMILIES = tuple(CONFIGS)


@cache
def tokenizer():
    return make_tokenizer()


@cache
def family(name, dtype=torch.float32):
    """A loaded model whose predictions are far from uniform. Tests must leave it as it was."""
    torch.manual_seed(sum(map(ord, name)))
    model = AutoModelForCausalLM.from_config(CONFIGS[name], **attention(CONFIGS[name]))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            else:
                parameter.mul_(2)
    if dtype == torch.float64:
        _whole_norms(model)
    model = model.to(dtype).eval().requires_grad_(requires_grad=False)
    return LoadedModel(model=model, tokenizer=tokenizer(), source=name, stored_dtype=dtype)


def _whole_norms(model):
    """RMS norms that keep float64, where transformers' own compute in float32 whatever comes in."""
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            eps = module.eps if hasattr(module, "eps") else module.variance_epsilon
            offset = 1.0 if type(module).__name__.startswith("Gemma") else 0.0

            def forward(x, module=module, eps=eps, offset=offset):
                return (module.weight + offset) * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)

            module.forward = forward
