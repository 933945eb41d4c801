"""SAELens' folders: `cfg.json` beside `sae_weights.safetensors`, of version 6 and earlier.

Version 6 nests what it knows of the model under `metadata`. Earlier ones say `hook_point` and
`activation_fn_str`, and TopK is `standard` there with `activation_fn_kwargs.k`.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from dictionaries.architectures.matryoshka import group_of
from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build, check_scale, fold_decoder_norms
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import AGAIN, TensorFile, open_tensors, read
from dictionaries.training.normalisation import InputNorm
from policies.errors import DictionaryError

FORMAT = "sae-lens"
CONFIG_FILE = "cfg.json"
TENSORS_FILE = "sae_weights.safetensors"
SCALER_FILE = "activation_scaler.json"
FILES = (CONFIG_FILE, TENSORS_FILE, SCALER_FILE)
ARCHITECTURES = {
    "standard": "relu",
    "gated": "gated",
    "topk": "topk",
    "jumprelu": "jumprelu",
    "batchtopk": "batchtopk",
    "matryoshka_batchtopk": "matryoshka",
}
NORMS: dict[object, InputNorm] = {
    None: "none",
    False: "none",
    "none": "none",
    "constant_norm_rescale": "constant_norm",
    "layer_norm": "layer_norm",
}
SCALED = (True, "expected_average_only_in")
HOOKS = {
    "resid_post": "blocks.{}.hook_resid_post",
    "mlp_out": "blocks.{}.hook_mlp_out",
    "attn_out": "blocks.{}.hook_attn_out",
    "attn_heads": "blocks.{}.attn.hook_z",
    "mlp_hidden": "blocks.{}.mlp.hook_post",
}


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of this format, whole or damaged."""
    return (path / TENSORS_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary.

    Raises:
        DictionaryError: it is damaged, incomplete, of a kind that is no dictionary of one site, or does not say
            what it reads or by how much its activations were scaled.
    """
    config = _flatten(read_json(path / CONFIG_FILE))
    source = path / TENSORS_FILE
    architecture = _architecture(config, path / CONFIG_FILE)
    hook = _hook(config)
    site = decide_site(site_of_hook(hook) if hook else None, asked, path / CONFIG_FILE, hook)
    norm, scale = _normalisation(config, path, asked)
    with open_tensors(source) as file:
        tensors = {name: read(file, name) for name in sorted(file.names)}
        tensors = _rename(tensors, architecture, config, file)
    if config.get("rescale_acts_by_decoder_norm"):
        fold_decoder_norms(tensors)
    return build(
        Layout(
            source=source,
            format=FORMAT,
            architecture=architecture,
            site=site,
            tensors=tensors,
            subtracts=bool(config.get("apply_b_dec_to_input", True)),
            width=number(config, "d_in", path / CONFIG_FILE),
            features=number(config, "d_sae", path / CONFIG_FILE),
            input_scale=scale,
            input_norm=norm,
            model=str(config.get("model_name") or ""),
            notes={"hook": hook} if hook else {},
        )
    )


def save(dictionary: Dictionary, path: Path) -> None:
    """Write one dictionary as version 6 does; its scale is folded into the weights.

    BatchTopK and Matryoshka become JumpReLU with one threshold, as SAELens itself saves them.

    Raises:
        DictionaryError: SAELens has no such architecture.
    """
    tensors = {name: tensor.detach().clone() for name, tensor in dictionary.state_dict().items()}
    tensors["W_enc"] *= dictionary.input_scale
    tensors["W_dec"] /= dictionary.input_scale
    tensors["b_dec"] /= dictionary.input_scale
    config: dict[str, Any] = {}
    kind = dictionary.architecture
    if kind == "gated":
        tensors["b_gate"] = tensors.pop("b_enc")
    elif kind == "topk":
        config = {"k": int(tensors.pop("k")), "rescale_acts_by_decoder_norm": False}
    elif kind in {"batchtopk", "matryoshka"}:
        del tensors["k"]
        tensors.pop("group", None)
        tensors["threshold"] = tensors["threshold"].clamp_min(0.0).expand_as(tensors["b_enc"])
        kind = "jumprelu"
    names = {ours: theirs for theirs, ours in ARCHITECTURES.items()}
    if kind not in {"relu", "gated", "topk", "jumprelu"}:
        raise DictionaryError(f"SAELens has no {kind} dictionaries", "Keep it in Expunge's own format")
    site = dictionary.config.site
    norms = {"none": "none", "constant_norm": "constant_norm_rescale", "layer_norm": "layer_norm"}
    config |= {
        "architecture": names[kind],
        "d_in": dictionary.config.width,
        "d_sae": dictionary.config.features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": dictionary.subtract_decoder_bias,
        "normalize_activations": norms[dictionary.input_norm],
        "reshape_activations": "hook_z" if site.stream == "attn_heads" else "none",
        "metadata": {
            "model_name": dictionary.config.model,
            "hook_name": HOOKS[site.stream].format(site.layer),
            "sae_lens_version": "6.0.0",
        },
    }
    path.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path / TENSORS_FILE)
    text = json.dumps(config, indent=2, sort_keys=True) + "\n"
    (path / CONFIG_FILE).write_text(text, encoding="utf-8")


def _flatten(config: dict[str, Any]) -> dict[str, Any]:
    nested = config.get("metadata")
    return {**(nested if isinstance(nested, dict) else {}), **config}


def _hook(config: dict[str, Any]) -> str | None:
    hook = config.get("hook_name") or config.get("hook_point")
    layer = config.get("hook_layer", config.get("hook_point_layer"))
    return str(hook).replace("{layer}", str(layer)) if hook else None


def _architecture(config: dict[str, Any], file: Path) -> str:
    named = config.get("architecture", "standard")
    activation = config.get("activation_fn") or config.get("activation_fn_str") or "relu"
    if named == "standard" and activation == "topk":
        return "topk"
    if config.get("hook_name_out") or config.get("hook_head_index") is not None:
        raise DictionaryError(
            f"{file} describes a transcoder or a dictionary of one head",
            "Use a dictionary that reconstructs a site",
        )
    if named not in ARCHITECTURES or activation not in {"relu", "topk"}:
        raise DictionaryError(
            f"{file} has architecture {named} with {activation}",
            f"These are read: {', '.join(ARCHITECTURES)}",
        )
    return ARCHITECTURES[named]


def _normalisation(config: dict[str, Any], path: Path, asked: Asked) -> tuple[InputNorm, float]:
    """Return the norm put on each token, and s."""
    named = config.get("normalize_activations")
    file = path / CONFIG_FILE
    if named in SCALED and named is not None:
        scale = asked.input_scale or config.get("norm_scaling_factor")
        if scale is None and (path / SCALER_FILE).is_file():
            scale = read_json(path / SCALER_FILE).get("scaling_factor")
        if scale is None:
            raise DictionaryError(
                f"{file} scales activations to an average norm of √d and does not say by how much",
                "Say so to `expunge dictionary convert` by --input-scale: √d divided by their mean norm",
            )
        return "none", check_scale(float(scale), file)
    if isinstance(named, list | dict) or named not in NORMS:
        raise DictionaryError(
            f"{file} has normalize_activations {named!r}",
            "These are read: none, expected_average_only_in, constant_norm_rescale, layer_norm",
        )
    if asked.input_scale is not None:
        raise DictionaryError(f"{file} does not scale activations", "Leave out --input-scale")
    return NORMS[named], 1.0


def _rename(
    tensors: dict[str, Tensor], architecture: str, config: dict[str, Any], file: TensorFile
) -> dict[str, Tensor]:
    """Return SAELens' tensors by Expunge's names, with k and groups from the config."""
    if (factor := tensors.pop("scaling_factor", tensors.pop("finetuning_scaling_factor", None))) is not None:
        _fold_finetuning(tensors, factor, config, file)
    if architecture == "gated":
        if "b_gate" not in tensors:
            raise DictionaryError(f"{file.path} lacks b_gate", AGAIN)
        tensors["b_enc"] = tensors.pop("b_gate")
    if "log_threshold" in tensors:
        tensors["threshold"] = tensors.pop("log_threshold").exp()
    if "topk_threshold" in tensors:
        tensors["threshold"] = tensors.pop("topk_threshold")
    if architecture in {"topk", "batchtopk", "matryoshka"}:
        k = config.get("k") or (config.get("activation_fn_kwargs") or {}).get("k")
        if not isinstance(k, int | float) or isinstance(k, bool):
            raise DictionaryError(f"{file.path.parent / CONFIG_FILE} does not state k", AGAIN)
        tensors["k"] = torch.tensor(float(k))
    if architecture == "matryoshka":
        widths = [0, *config.get("matryoshka_widths", [])]
        sizes = [after - before for before, after in pairwise(widths)]
        if "b_enc" not in tensors or not sizes or min(sizes) < 1 or sum(sizes) != len(tensors["b_enc"]):
            raise DictionaryError(
                f"{file.path.parent / CONFIG_FILE} states matryoshka_widths {widths[1:]}",
                "They must rise to the number of features",
            )
        tensors["group"] = group_of(sizes)
    return tensors


@torch.no_grad()
def _fold_finetuning(
    tensors: dict[str, Tensor], factor: Tensor, config: dict[str, Any], file: TensorFile
) -> None:
    """Fold the factor that multiplies strengths before decoding into W_dec, in place."""
    if bool((factor == 1).all()):
        return
    if not config.get("finetuning_scaling_factor"):
        raise DictionaryError(
            f"{file.path} holds a scaling_factor that its {CONFIG_FILE} does not know",
            "Set finetuning_scaling_factor there if the dictionary was finetuned",
        )
    if factor.shape != tensors["W_dec"].shape[:1]:
        raise DictionaryError(f"scaling_factor in {file.path} has shape {tuple(factor.shape)}", AGAIN)
    tensors["W_dec"].mul_(factor[:, None])
