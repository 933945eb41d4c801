"""dictionary_learning: `config.json` and `ae.pt`."""

import torch

from dictionaries.model.sites import Site
from published.parts import D, F, K, Published, linear, plain, topk_rows, write_json


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


ALL = (
    dl_gated,
    dl_standard,
    dl_standard_new,
    dl_topk,
    dl_batchtopk,
    dl_batchtopk_without_threshold,
    dl_jumprelu,
    dl_matryoshka,
)
