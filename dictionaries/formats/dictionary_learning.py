"""dictionary_learning's folders: `ae.pt`, a state dict, beside `config.json`.

Activations are scaled only while it trains; biases and thresholds are scaled back before it saves.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dictionaries.architectures.matryoshka import group_of
from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import AGAIN, open_tensors, read, refuse_pickle
from policies.errors import DictionaryError

FORMAT = "dictionary-learning"
CONFIG_FILE = "config.json"
TENSORS_FILE = "ae.pt"
FILES = (CONFIG_FILE, TENSORS_FILE)

LINEAR = {"W_enc": "encoder.weight", "W_dec": "decoder.weight"}
PLAIN = {name: name for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
NAMES: dict[str, tuple[str, bool, dict[str, str]]] = {
    "GatedAutoEncoder": (
        "gated",
        True,
        {**LINEAR, "b_enc": "gate_bias", "b_dec": "decoder_bias", "b_mag": "mag_bias", "r_mag": "r_mag"},
    ),
    "AutoEncoder": ("relu", True, {**LINEAR, "b_enc": "encoder.bias", "b_dec": "bias"}),
    "AutoEncoderNew": ("relu", False, {**LINEAR, "b_enc": "encoder.bias", "b_dec": "decoder.bias"}),
    "AutoEncoderTopK": ("topk", True, {**LINEAR, "b_enc": "encoder.bias", "b_dec": "b_dec", "k": "k"}),
    "BatchTopKSAE": (
        "batchtopk",
        True,
        {**LINEAR, "b_enc": "encoder.bias", "b_dec": "b_dec", "k": "k", "threshold": "threshold"},
    ),
    "MatryoshkaBatchTopKSAE": (
        "matryoshka",
        True,
        {**PLAIN, "k": "k", "threshold": "threshold", "group": "group_sizes"},
    ),
    "JumpReluAutoEncoder": ("jumprelu", False, {**PLAIN, "threshold": "threshold"}),
}
"""Our architecture of each class of the library, whether b_dec is subtracted, and the library's names by ours."""
UNUSED = {"AutoEncoderTopK": {"threshold"}}
SUBMODULES = {
    "resid_post": "resid_post_layer_{}",
    "mlp_out": "mlp_out_layer_{}",
    "attn_out": "attn_out_layer_{}",
}


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of this format, whole or damaged."""
    return (path / TENSORS_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary.

    Raises:
        DictionaryError: it is damaged, of another class, a pickle, or does not say what it reads.
    """
    source, file = path / TENSORS_FILE, path / CONFIG_FILE
    refuse_pickle(source)
    config = read_json(file)
    trainer = config["trainer"] if isinstance(config.get("trainer"), dict) else config
    name = str(trainer.get("dict_class", "")).rsplit(".", 1)[-1].strip("'>")
    if name not in NAMES:
        raise DictionaryError(
            f"{file} has dict_class {name or 'nothing'}", f"These are read: {', '.join(NAMES)}"
        )
    architecture, subtracts, names = NAMES[name]
    with open_tensors(source) as opened:
        tensors = {ours: read(opened, theirs) for ours, theirs in names.items()}
        unknown = opened.names - set(names.values()) - UNUSED.get(name, set())
    if unknown:
        raise DictionaryError(f"{source} holds {', '.join(sorted(unknown))}, unknown to {name}", AGAIN)
    _transpose_linear(tensors, names)
    _check_k(tensors, number(trainer, "k", file), source)
    if "group" in tensors:
        tensors["group"] = _groups(tensors, source)
    hook = trainer.get("submodule_name")
    stated = site_of_hook(str(hook)) if hook else None
    site = decide_site(stated, asked, file, str(hook) if hook else None)
    if (layer := trainer.get("layer")) is not None and layer != site.layer:
        raise DictionaryError(f"{file} states layer {layer} and reads {site}", "Correct --site or the file")
    return build(
        Layout(
            source=source,
            format=FORMAT,
            architecture=architecture,
            site=site,
            tensors=tensors,
            subtracts=subtracts,
            width=number(trainer, "activation_dim", file),
            features=number(trainer, "dict_size", file),
            model=str(trainer.get("lm_name") or ""),
        )
    )


def save(dictionary: Dictionary, path: Path) -> None:
    """Write one dictionary as the library does; its scale is folded into the weights.

    Raises:
        DictionaryError: the library has no such architecture, or puts no norm on each token.
    """
    found = [name for name, (kind, *_) in NAMES.items() if kind == dictionary.architecture]
    if not found or dictionary.input_norm != "none":
        what = dictionary.architecture if not found else dictionary.input_norm
        raise DictionaryError(f"dictionary_learning has no {what} dictionaries", "Choose another format")
    name = found[0]
    _, _, names = NAMES[name]
    ours = {key: tensor.detach().clone() for key, tensor in dictionary.state_dict().items()}
    ours["W_enc"] *= dictionary.input_scale
    ours["W_dec"] /= dictionary.input_scale
    ours["b_dec"] /= dictionary.input_scale
    stored = {theirs: _convert(key, ours[key], upright=theirs != key) for key, theirs in names.items()}
    if name in UNUSED:
        stored["threshold"] = torch.tensor(-1.0)
    site, config = dictionary.config.site, dictionary.config
    trainer: dict[str, Any] = {
        "dict_class": name,
        "activation_dim": config.width,
        "dict_size": config.features,
        "layer": site.layer,
        "lm_name": config.model,
        "submodule_name": SUBMODULES.get(site.stream, "").format(site.layer) or None,
    }
    if "k" in ours:
        trainer["k"] = int(ours["k"])
    if "group" in ours:
        trainer["group_sizes"] = stored["group_sizes"].tolist()
    path.mkdir(parents=True, exist_ok=True)
    torch.save(stored, path / TENSORS_FILE)
    text = json.dumps({"trainer": trainer, "buffer": {}}, indent=2, sort_keys=True) + "\n"
    (path / CONFIG_FILE).write_text(text, encoding="utf-8")


def _transpose_linear(tensors: dict[str, Tensor], names: dict[str, str]) -> None:
    """Transpose linear layers, which are stored (outputs, inputs), in place; a transposed view costs nothing."""
    for name in ("W_enc", "W_dec"):
        if names[name] in LINEAR.values() and tensors[name].dim() == 2:
            tensors[name] = tensors[name].T


def _check_k(tensors: dict[str, Tensor], stated: int | None, source: Path) -> None:
    if "k" in tensors and stated is not None and stated != float(tensors["k"]):
        raise DictionaryError(
            f"The metadata of {source} state k = {stated}, it holds {float(tensors['k']):g}", AGAIN
        )


def _groups(tensors: dict[str, Tensor], source: Path) -> Tensor:
    sizes = [int(size) for size in tensors["group"].tolist()]
    if not sizes or min(sizes) < 1 or sum(sizes) != len(tensors["b_enc"]):
        raise DictionaryError(f"{source} has groups of {sizes} features", "They must add up to all features")
    return group_of(sizes)


def _convert(name: str, tensor: Tensor, *, upright: bool) -> Tensor:
    special: dict[str, Callable[[Tensor], Tensor]] = {
        "k": lambda k: k.to(torch.int32),
        "group": lambda group: torch.bincount(group.long()),
    }
    if name in special:
        return special[name](tensor)
    return (tensor.T if upright and tensor.dim() == 2 else tensor).contiguous()
