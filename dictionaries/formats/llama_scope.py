"""Llama Scope (OpenMOSS): `hyperparams.json` beside `checkpoints/final.safetensors`.

Trained as TopK on s·x, s = √d / mean norm, published as JumpReLU with one threshold θ on strengths in raw units:
a feature fires where (x W_enc + b_enc/s)·‖d_j‖ > θ, ‖d_j‖ left out where `sparsity_include_decoder_norm` is
false. On s·x that is (s x W_enc + b_enc)·‖d_j‖ > s·θ, which is what is kept here.
"""

import math
from pathlib import Path
from typing import Any

import torch

from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build, check_scale, fold_decoder_norms
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import AGAIN, open_tensors, read
from policies.errors import DictionaryError

FORMAT = "llama-scope"
CONFIG_FILE = "hyperparams.json"
TENSORS_FILE = "checkpoints/final.safetensors"
FILES = (CONFIG_FILE, TENSORS_FILE)


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of this format, whole or damaged."""
    return (path / CONFIG_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary.

    Raises:
        DictionaryError: it is damaged, a transcoder, or of another activation or norm.
    """
    file, source = path / CONFIG_FILE, path / TENSORS_FILE
    config = read_json(file)
    _refuse_unread(config, file)
    hook = config.get("hook_point_in")
    site = decide_site(site_of_hook(str(hook)) if hook else None, asked, file, hook)
    scale = _scale(config, file)
    with open_tensors(source) as opened:
        tensors = {"W_enc": read(opened, "encoder.weight").T, "W_dec": read(opened, "decoder.weight").T}
        tensors |= {"b_enc": read(opened, "encoder.bias")}
        biased = config.get("use_decoder_bias", True)
        width = tensors["W_enc"].shape[0]
        tensors["b_dec"] = read(opened, "decoder.bias") if biased else torch.zeros(width)
    threshold = _number(config, "jump_relu_threshold", file)
    tensors["threshold"] = torch.full((len(tensors["b_enc"]),), scale * threshold)  # s·θ
    if config.get("sparsity_include_decoder_norm", True):
        if tensors["W_dec"].shape != tensors["W_enc"].T.shape:
            raise DictionaryError(
                f"decoder.weight in {source} does not have the shape of encoder.weight's transpose", AGAIN
            )
        fold_decoder_norms(tensors)
    return build(
        Layout(
            source=source,
            format=FORMAT,
            architecture="jumprelu",
            site=site,
            tensors=tensors,
            subtracts=bool(config.get("apply_decoder_bias_to_pre_encoder", False)),
            width=number(config, "d_model", file),
            features=number(config, "d_sae", file),
            input_scale=scale,
        )
    )


def _refuse_unread(config: dict[str, Any], file: Path) -> None:
    if config.get("hook_point_out", config.get("hook_point_in")) != config.get("hook_point_in"):
        raise DictionaryError(
            f"{file} describes a transcoder: it does not reconstruct what it reads",
            "Use a sparse autoencoder",
        )
    for name, read_values in (("act_fn", {"jumprelu"}), ("norm_activation", {"dataset-wise", "inference"})):
        if config.get(name) not in read_values:
            raise DictionaryError(
                f"{file} has {name} {config.get(name)!r}", f"This is read: {', '.join(sorted(read_values))}"
            )
    if config.get("use_glu_encoder"):
        raise DictionaryError(
            f"{file} has a gated linear encoder", "Use a dictionary without use_glu_encoder"
        )


def _scale(config: dict[str, Any], file: Path) -> float:
    """Return s = √d / mean norm, and 1 where the norm has been folded already."""
    if config["norm_activation"] == "inference":
        return 1.0
    norms = config.get("dataset_average_activation_norm")
    width = number(config, "d_model", file)
    if not isinstance(norms, dict) or "in" not in norms or width is None:
        raise DictionaryError(f"{file} does not state d_model and dataset_average_activation_norm", AGAIN)
    if norms.get("out", norms["in"]) != norms["in"]:
        raise DictionaryError(f"{file} scales what it reads and what it writes differently", AGAIN)
    norm = _number(norms, "in", file)
    return check_scale(math.sqrt(width) / norm if norm else math.inf, file)


def _number(config: dict[str, Any], name: str, file: Path) -> float:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DictionaryError(f"{file} states {name} {value!r}", "It must be a number")
    return float(value)
