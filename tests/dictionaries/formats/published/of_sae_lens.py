"""SAELens: `cfg.json` and `sae_weights.safetensors`, of several versions."""

import math

import torch

from dictionaries.model.sites import Site
from published.parts import D, F, K, Published, plain, randn, store, topk_rows, write_json


def sae_lens_config(architecture, hook="blocks.3.hook_resid_post", **more):
    """As version 6 writes it."""
    return {
        "architecture": architecture,
        "d_in": D,
        "d_sae": F,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.22.1",
            "model_name": "tiny",
            "hook_name": hook,
            "prepend_bos": True,
        },
        **more,
    }


def sae_lens(folder, config, tensors, compute, site=Site(3, "resid_post"), asked=None):  # noqa: B008
    write_json(folder / "cfg.json", config)
    store(folder / "sae_weights.safetensors", tensors)
    return Published(folder, site, compute, asked or {})


def standard(folder):
    t = plain()

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, sae_lens_config("standard"), t, compute)


def standard_of_version_3(folder):
    """Earlier names, the layer in the hook, a sparsity file beside; the residual stream before layer 8."""
    t = plain()
    config = {
        "d_in": D,
        "d_sae": F,
        "hook_point": "blocks.8.hook_resid_pre",
        "hook_point_layer": 8,
        "hook_point_head_index": None,
        "activation_fn_str": "relu",
        "model_name": "gpt2-small",
        "normalize_activations": False,
        "dtype": "torch.float32",
    }
    store(folder / "sparsity.safetensors", {"sparsity": torch.zeros(F)})

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, config, t, compute, Site(7, "resid_post"))


def standard_without_bias_in_input(folder):
    t = plain()

    def compute(x):
        f = (x @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("standard", "blocks.1.hook_mlp_out", apply_b_dec_to_input=False)
    return sae_lens(folder, config, t, compute, Site(1, "mlp_out"))


def standard_scaled(folder):
    """expected_average_only_in: activations are multiplied by a factor that the files do not state."""
    t, s = plain(), 2.7

    def compute(x):
        f = ((s * x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, (f @ t["W_dec"] + t["b_dec"]) / s

    config = sae_lens_config("standard", normalize_activations="expected_average_only_in")
    return sae_lens(folder, config, t, compute, asked={"input_scale": s})


def standard_constant_norm(folder):
    t = plain()

    def compute(x):
        c = math.sqrt(D) / x.norm(dim=-1, keepdim=True)
        f = ((c * x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f / c, (f @ t["W_dec"] + t["b_dec"]) / c

    config = sae_lens_config("standard", normalize_activations="constant_norm_rescale")
    return sae_lens(folder, config, t, compute)


def standard_layer_norm(folder):
    t = plain()

    def compute(x):
        mu = x.mean(dim=-1, keepdim=True)
        std = (x - mu).std(dim=-1, keepdim=True)
        f = (((x - mu) / (std + 1e-5) - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f * std, (f @ t["W_dec"] + t["b_dec"]) * std + mu

    return sae_lens(folder, sae_lens_config("standard", normalize_activations="layer_norm"), t, compute)


def standard_finetuned(folder):
    t = plain()
    factor = 1 + randn(F, seed=9).abs()

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, (f * factor) @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("standard", finetuning_scaling_factor=True)
    return sae_lens(folder, config, {**t, "scaling_factor": factor}, compute)


def gated(folder):
    t = plain(("W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"))

    def compute(x):
        inner = x - t["b_dec"]
        gate = (inner @ t["W_enc"] + t["b_gate"] > 0).float()
        f = gate * (inner @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, sae_lens_config("gated"), t, compute)


def gated_without_bias_in_input(folder):
    t = plain(("W_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag"))

    def compute(x):
        gate = (x @ t["W_enc"] + t["b_gate"] > 0).float()
        f = gate * (x @ (t["W_enc"] * t["r_mag"].exp()) + t["b_mag"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, sae_lens_config("gated", apply_b_dec_to_input=False), t, compute)


def sae_lens_topk(folder):
    t = plain()

    def compute(x):
        f = topk_rows((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"], K).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("topk", "blocks.2.attn.hook_z", k=K, reshape_activations="hook_z")
    return sae_lens(folder, config, t, compute, Site(2, "attn_heads"))


def sae_lens_topk_rescaled(folder):
    """rescale_acts_by_decoder_norm: other features are the largest then."""
    t = plain()

    def compute(x):
        norms = t["W_dec"].norm(dim=1)
        f = topk_rows(((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * norms, K).clamp(min=0)
        return f, (f / norms) @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("topk", k=K, rescale_acts_by_decoder_norm=True)
    return sae_lens(folder, config, t, compute)


def sae_lens_topk_of_version_5(folder):
    """TopK is `standard` with an activation function there."""
    t = plain()
    config = {
        "architecture": "standard",
        "d_in": D,
        "d_sae": F,
        "hook_name": "blocks.5.mlp.hook_post",
        "hook_layer": 5,
        "hook_head_index": None,
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": K},
        "normalize_activations": "none",
        "apply_b_dec_to_input": True,
        "dtype": "float32",
        "sae_lens_training_version": "5.1.0",
    }

    def compute(x):
        f = topk_rows((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"], K).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, config, t, compute, Site(5, "mlp_hidden"))


def sae_lens_jumprelu(folder):
    t = plain(("W_enc", "W_dec", "b_enc", "b_dec", "threshold"))
    t["threshold"] = t["threshold"].abs()

    def compute(x):
        z = (x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]
        f = z.clamp(min=0) * (z > t["threshold"])
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, sae_lens_config("jumprelu"), t, compute)


def sae_lens_jumprelu_in_training(folder):
    """A checkpoint of training keeps ln θ."""
    t = plain(("W_enc", "W_dec", "b_enc", "b_dec", "log_threshold"))

    def compute(x):
        z = x @ t["W_enc"] + t["b_enc"]
        f = z.clamp(min=0) * (z > t["log_threshold"].exp())
        return f, f @ t["W_dec"] + t["b_dec"]

    return sae_lens(folder, sae_lens_config("jumprelu", apply_b_dec_to_input=False), t, compute)


def sae_lens_batchtopk(folder):
    t = plain()
    theta = 0.35
    stored = {**t, "topk_threshold": torch.tensor(theta, dtype=torch.float64)}

    def compute(x):
        norms = t["W_dec"].norm(dim=1)
        z = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]) * norms
        f = z.clamp(min=0) * (z > theta)
        return f, (f / norms) @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("batchtopk", k=4.5, rescale_acts_by_decoder_norm=True)
    return sae_lens(folder, config, stored, compute)


def sae_lens_matryoshka(folder):
    t = plain()
    theta = 0.35
    stored = {**t, "topk_threshold": torch.tensor(theta, dtype=torch.float64)}

    def compute(x):
        z = (x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]
        f = z.clamp(min=0) * (z > theta)
        return f, f @ t["W_dec"] + t["b_dec"]

    config = sae_lens_config("matryoshka_batchtopk", k=K, matryoshka_widths=[3, 9, F])
    return sae_lens(folder, config, stored, compute)


ALL = (
    standard,
    standard_of_version_3,
    standard_without_bias_in_input,
    standard_scaled,
    standard_constant_norm,
    standard_layer_norm,
    standard_finetuned,
    gated,
    gated_without_bias_in_input,
    sae_lens_topk,
    sae_lens_topk_rescaled,
    sae_lens_topk_of_version_5,
    sae_lens_jumprelu,
    sae_lens_jumprelu_in_training,
    sae_lens_batchtopk,
    sae_lens_matryoshka,
)
