"""A tiny random causal language model of every family that transformers builds by itself, each in about a second."""

import torch
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "n_embd": 32,
    "d_model": 32,
    "num_hidden_layers": 2,
    "n_layer": 2,
    "n_layers": 2,
    "num_layers": 2,
    "num_attention_heads": 4,
    "n_head": 4,
    "n_heads": 4,
    "num_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 64,
    "ffn_dim": 64,
    "moe_intermediate_size": 32,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 256,
    "n_positions": 256,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
"""What a configuration calls its sizes; each is given to those that have it."""
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_expand": 2}
LATENT = {
    "q_lora_rank": None,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "head_dim": 8,
    "num_key_value_heads": 4,
}
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
FAMILIES = {
    "apertus": {},
    "arcee": {},
    "bailing_hybrid": {},
    "bamba": {**MAMBA, "attn_layer_indices": [1]},
    "biogpt": {},
    "bitnet": {},
    "bloom": {},
    "codegen": {"rotary_dim": 4},
    "cohere": {"logit_scale": 4.0},
    "cohere2": {"logit_scale": 4.0},
    "ctrl": {"dff": 64},
    "deepseek_v2": {
        **LATENT,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "n_group": 1,
        "topk_group": 1,
    },
    "deepseek_v3": {
        **LATENT,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "n_group": 1,
        "topk_group": 1,
    },
    "diffllama": {},
    "doge": {},
    "ernie4_5": {},
    "ernie4_5_moe": {},
    "exaone4": {},
    "falcon": {},
    "falcon (new decoder)": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon (alibi)": {"alibi": True, "multi_query": False, "parallel_attn": False},
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64, "lm_head_multiplier": 3.0, "mamba_chunk_size": 16},
    "falcon_mamba": {"state_size": 8},
    "flex_olmo": {},
    "gemma": {},
    "gemma2": {},
    "gemma3": {},
    "gemma3_text": {},
    "glm": {},
    "glm4": {},
    "glm4_moe": {},
    "gpt2": {},
    "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]], "window_size": 16},
    "gpt_neox": {},
    "gpt_neox_japanese": {},
    "gpt_oss": {},
    "gptj": {"rotary_dim": 4},
    "granite": {"logits_scaling": 0.5, "embedding_multiplier": 2.0},
    "granitemoe": {},
    "granitemoehybrid": {**MAMBA, "layer_types": ["mamba", "attention"], "shared_intermediate_size": 32},
    "granitemoeshared": {},
    "helium": {},
    "hunyuan_v1_dense": {},
    "hunyuan_v1_moe": {},
    "hyperclovax": {"logits_scaling": 4.0},
    "internlm3": {},
    "jais2": {},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "mamba_d_state": 8},
    "jetmoe": {},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"], "num_dense_layers": 1},
    "llama": {},
    "llama4_text": {},
    "mamba": {"state_size": 8},
    "mamba2": {"num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1, "chunk_size": 16},
    "minicpm3": {**LATENT, "q_lora_rank": 16},
    "minimax": {"layer_types": ["linear_attention", "full_attention"], "block_size": 16},
    "minimax_m2": {},
    "ministral": {},
    "mistral": {},
    "mixtral": {},
    "modernbert-decoder": {},
    "mpt": {},
    "nanochat": {},
    "nemotron": {},
    "nemotron_h": {
        **MAMBA,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "ssm_state_size": 8,
        "n_groups": 1,
        "chunk_size": 16,
        "layers_block_type": ["mamba", "attention"],
    },
    "olmo": {},
    "olmo2": {},
    "olmo3": {},
    "olmo_hybrid": {},
    "olmoe": {},
    "openai-gpt": {},
    "opt": {"word_embed_proj_dim": 32},
    "persimmon": {},
    "phi": {},
    "phi3": {},
    "phimoe": {},
    "qwen2": {},
    "qwen2_moe": {"shared_expert_intermediate_size": 32},
    "qwen3": {},
    "qwen3_5_text": LINEAR,
    "qwen3_moe": {},
    "qwen3_next": {**LINEAR, "shared_expert_intermediate_size": 32},
    "recurrent_gemma": {"num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 32},
    "rwkv": {"attention_hidden_size": 32},
    "seed_oss": {},
    "smollm3": {},
    "stablelm": {},
    "starcoder2": {},
    "vaultgemma": {},
    "xglm": {"attention_heads": 4},
    "xlstm": {},
    "zamba": {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "mamba_d_state": 8,
        "n_mamba_heads": 2,
        "attention_head_dim": 16,
        "attention_hidden_size": 64,
    },
    "zamba2": {
        "layers_block_type": ["mamba", "hybrid"],
        "mamba_d_state": 8,
        "n_mamba_heads": 4,
        "mamba_headdim": 16,
        "mamba_ngroups": 1,
        "num_mem_blocks": 1,
        "attention_head_dim": 16,
        "chunk_size": 16,
    },
}
"""What each family's configuration needs besides, by its `model_type` and what is particular."""


def make_family(name: str) -> torch.nn.Module:
    """Build a family's model, its predictions far from uniform."""
    kind = name.split(" ", maxsplit=1)[0]
    torch.manual_seed(sum(map(ord, name)))
    model = AutoModelForCausalLM.from_config(_config(kind, FAMILIES[name]), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(torch.randn_like(parameter) * 0.05)
            else:
                parameter.mul_(5)
    return model.eval().requires_grad_(requires_grad=False)


def _config(kind: str, more: dict[str, object]) -> object:
    made = CONFIG_MAPPING[kind]
    if kind == "gemma3":
        text = _config("gemma3_text", {}).to_dict()
        return made(text_config=text, vision_config=VISION, mm_tokens_per_image=4, image_token_index=299)
    known = made()
    sizes = {name: size for name, size in SIZES.items() if _takes(known, name)}
    return made(**(sizes | more))


def _takes(config: object, name: str) -> bool:
    """Whether a configuration has a size of its own by this name: one that is derived cannot be given."""
    given = getattr(type(config), name, None)
    return not isinstance(given, property) and name in (config.to_dict() | config.attribute_map)
