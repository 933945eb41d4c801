"""sparsify, Gemma Scope, Llama Scope and the BAE's reference code."""

import math

import numpy as np
import torch

from dictionaries.model.sites import Site
from published.parts import D, F, K, Published, linear, plain, store, topk_rows, write_json


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
    sparsify,
    gemma_scope,
    gemma_scope_2,
    llama_scope,
    bae,
)
