"""Dictionaries as others publish them: files of non-square shapes, and what each format's definition computes.

Every reference is written from the format's own definition, by loops or plain tensor formulas, with the tensors
as they are stored. None calls the code under test.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dictionaries.sites import Site

D, F = 12, 20
K = 4


@dataclass
class Published:
    """One published dictionary.

    Attributes:
        path: what the user names.
        site: what it reads.
        asked: what its files do not say.
        compute: activations -> (features, reconstruction), by the format's definition.
    """

    path: Path
    site: Site
    compute: Callable[[Tensor], tuple[Tensor, Tensor]]
    asked: dict


def randn(*shape, seed):
    return 0.4 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(names=("W_enc", "W_dec", "b_enc", "b_dec")):
    """W_enc (d, F), W_dec (F, d), biases: independent of each other."""
    shapes = {"W_enc": (D, F), "W_dec": (F, D), "b_enc": (F,), "b_dec": (D,)}
    return {name: randn(*shapes.get(name, (F,)), seed=hash_of(name)) for name in names}


def hash_of(name):
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(name))


def topk_rows(features, k):
    kept = torch.zeros_like(features)
    for row, values in enumerate(features.tolist()):
        for j in sorted(range(len(values)), key=lambda j: -values[j])[:k]:
            kept[row, j] = values[j]
    return kept


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def store(path, tensors):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


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


def dictionary_learning(folder, name, state, compute, *, submodule="resid_post_layer_4", asked=None, **more):
    trainer = {
        "dict_class": name,
        "trainer_class": "Trainer",
        "activation_dim": D,
        "dict_size": F,
        "layer": 4,
        "lm_name": "tiny",
        "submodule_name": submodule,
        **more,
    }
    write_json(folder / "config.json", {"trainer": trainer, "buffer": {"d_submodule": D, "ctx_len": 128}})
    torch.save(state, folder / "ae.pt")
    return Published(folder, Site(4, "resid_post"), compute, asked or {})


def linear(w_enc, w_dec):
    """As torch's linear layers store them: (outputs, inputs)."""
    return {"encoder.weight": w_enc.T.contiguous(), "decoder.weight": w_dec.T.contiguous()}


def dl_gated(folder):
    t = plain(("W_enc", "W_dec", "b_dec", "gate_bias", "mag_bias", "r_mag"))
    state = {
        "decoder_bias": t["b_dec"],
        "r_mag": t["r_mag"],
        "gate_bias": t["gate_bias"],
        "mag_bias": t["mag_bias"],
        **linear(t["W_enc"], t["W_dec"]),
    }

    def compute(x):
        inner = (x - t["b_dec"]) @ t["W_enc"]
        gate = (inner + t["gate_bias"] > 0).float()
        f = gate * (t["r_mag"].exp() * inner + t["mag_bias"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "GatedAutoEncoder", state, compute)


def dl_standard(folder):
    """Without a submodule's name the site is asked for."""
    t = plain()
    state = {"bias": t["b_dec"], "encoder.bias": t["b_enc"], **linear(t["W_enc"], t["W_dec"])}

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    asked = {"site": Site(4, "resid_post")}
    return dictionary_learning(folder, "AutoEncoder", state, compute, submodule=None, asked=asked)


def dl_standard_new(folder):
    t = plain()
    state = {"decoder.bias": t["b_dec"], "encoder.bias": t["b_enc"], **linear(t["W_enc"], t["W_dec"])}

    def compute(x):
        f = (x @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "AutoEncoderNew", state, compute)


def dl_topk(folder):
    t = plain()
    state = {
        "k": torch.tensor(K, dtype=torch.int),
        "threshold": torch.tensor(-1.0),
        "b_dec": t["b_dec"],
        "encoder.bias": t["b_enc"],
        **linear(t["W_enc"], t["W_dec"]),
    }

    def compute(x):
        f = topk_rows(((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0), K)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "AutoEncoderTopK", state, compute, k=K)


def dl_batchtopk(folder, theta=0.4):
    t = plain()
    state = {
        "k": torch.tensor(K, dtype=torch.int),
        "threshold": torch.tensor(theta),
        "b_dec": t["b_dec"],
        "encoder.bias": t["b_enc"],
        **linear(t["W_enc"], t["W_dec"]),
    }

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        f = f * (f > theta)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "BatchTopKSAE", state, compute, k=K)


def dl_batchtopk_without_threshold(folder):
    """-1 stands for none yet: every positive feature stays."""
    return dl_batchtopk(folder, theta=-1.0)


def dl_jumprelu(folder):
    t = plain(("W_enc", "W_dec", "b_enc", "b_dec", "threshold"))
    t["threshold"] = t["threshold"].abs()

    def compute(x):
        z = x @ t["W_enc"] + t["b_enc"]
        f = (z * (z > t["threshold"])).clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "JumpReluAutoEncoder", dict(t), compute)


def dl_matryoshka(folder):
    t = plain()
    theta = 0.4
    state = {
        **t,
        "k": torch.tensor(K, dtype=torch.int),
        "threshold": torch.tensor(theta),
        "group_sizes": torch.tensor([3, 6, F - 9]),
    }

    def compute(x):
        f = ((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0)
        f = f * (f > theta)
        return f, f @ t["W_dec"] + t["b_dec"]

    return dictionary_learning(folder, "MatryoshkaBatchTopKSAE", state, compute, k=K)


def sparsify(folder):
    t = plain()
    place = folder / "layers.6"
    config = {"expansion_factor": 32, "normalize_decoder": True, "num_latents": F, "k": K, "d_in": D}
    write_json(
        place / "cfg.json", {**config, "multi_topk": False, "skip_connection": False, "transcode": False}
    )
    state = {
        "encoder.weight": t["W_enc"].T,
        "encoder.bias": t["b_enc"],
        "W_dec": t["W_dec"],
        "b_dec": t["b_dec"],
    }
    store(place / "sae.safetensors", state)

    def compute(x):
        f = topk_rows(((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"]).clamp(min=0), K)
        return f, f @ t["W_dec"] + t["b_dec"]

    return Published(folder, Site(6, "resid_post"), compute, {})


def gemma_scope(folder):
    t = plain(("W_enc", "W_dec", "b_enc", "b_dec", "threshold"))
    t["threshold"] = t["threshold"].abs()
    place = folder / "gemma-scope-2b-pt-mlp" / "layer_2" / "width_16k" / "average_l0_82"
    place.mkdir(parents=True)
    np.savez(place / "params.npz", **{name: tensor.numpy() for name, tensor in t.items()})

    def compute(x):
        z = x @ t["W_enc"] + t["b_enc"]
        f = (z > t["threshold"]) * z.clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return Published(place, Site(2, "mlp_out"), compute, {})


def gemma_scope_2(folder):
    t = plain(("W_enc", "W_dec", "b_enc", "b_dec", "threshold"))
    t["threshold"] = t["threshold"].abs()
    config = {
        "hf_hook_point_in": "model.layers.17.output",
        "hf_hook_point_out": "model.layers.17.output",
        "width": F,
        "model_name": "google/gemma-3-1b-pt",
        "architecture": "jump_relu",
        "l0": 20,
        "affine_connection": False,
        "type": "sae",
    }
    write_json(folder / "config.json", config)
    store(folder / "params.safetensors", {name.lower(): tensor for name, tensor in t.items()})

    def compute(x):
        z = x @ t["W_enc"] + t["b_enc"]
        f = (z > t["threshold"]) * z.clamp(min=0)
        return f, f @ t["W_dec"] + t["b_dec"]

    return Published(folder, Site(17, "resid_post"), compute, {})


def llama_scope(folder):
    """OpenMOSS folds the norm (bias / s, decoder as it is), makes decoder rows unit norm, then applies θ."""
    t = plain()
    norm, theta = 1.6, 0.12
    config = {
        "hook_point_in": "blocks.9.hook_resid_post",
        "hook_point_out": "blocks.9.hook_resid_post",
        "use_decoder_bias": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "d_model": D,
        "d_sae": F,
        "act_fn": "jumprelu",
        "jump_relu_threshold": theta,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": norm, "out": norm},
        "sparsity_include_decoder_norm": True,
        "use_glu_encoder": False,
        "top_k": 50,
    }
    write_json(folder / "hyperparams.json", config)
    state = {**linear(t["W_enc"], t["W_dec"]), "encoder.bias": t["b_enc"], "decoder.bias": t["b_dec"]}
    store(folder / "checkpoints" / "final.safetensors", state)

    def compute(x):
        s = math.sqrt(D) / norm
        rows = t["W_dec"].norm(dim=1)
        z = (x @ t["W_enc"] + t["b_enc"] / s) * rows
        f = z.clamp(min=0) * (z > theta)
        return f * s, (f / rows) @ t["W_dec"] + t["b_dec"] / s

    return Published(folder, Site(9, "resid_post"), compute, {})


def bae(folder):
    t = plain()
    folder.mkdir(parents=True, exist_ok=True)
    state = {**linear(t["W_enc"], t["W_dec"]), "encoder.bias": t["b_enc"], "decoder.bias": t["b_dec"]}
    torch.save(state, folder / "model_3.pt")

    def compute(x):
        h = (x @ t["W_enc"] + t["b_enc"] > 0).float()
        return h, h @ t["W_dec"] + t["b_dec"]

    return Published(folder, Site(3, "mlp_out"), compute, {"site": Site(3)})


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
    dl_gated,
    dl_standard,
    dl_standard_new,
    dl_topk,
    dl_batchtopk,
    dl_batchtopk_without_threshold,
    dl_jumprelu,
    dl_matryoshka,
    sparsify,
    gemma_scope,
    gemma_scope_2,
    llama_scope,
    bae,
)
