"""EleutherAI sparsify's folders: `cfg.json` beside `sae.safetensors`, in a folder named after the hookpoint."""

from pathlib import Path

import torch

from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import open_tensors, read
from policies.errors import DictionaryError

FORMAT = "sparsify"
CONFIG_FILE = "cfg.json"
TENSORS_FILE = "sae.safetensors"
FILES = (CONFIG_FILE, TENSORS_FILE)
UNREAD = ("transcode", "skip_connection", "embed_skip", "gram_lookup", "signed")


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of this format, whole or damaged."""
    return (path / TENSORS_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary: TopK over relu((x - b_dec) W_enc + b_enc).

    Hookpoints such as `layers.3` are outputs of layers. `layers.3.mlp` is an MLP's output before a norm that may
    stand after it, so the site is asked for.

    Raises:
        DictionaryError: it is damaged, a transcoder, adds a skip connection, or does not say what it reads.
    """
    file, source = path / CONFIG_FILE, path / TENSORS_FILE
    config = read_json(file)
    for name in UNREAD:
        if config.get(name):
            what = "is a transcoder" if name == "transcode" else f"has {name}"
            raise DictionaryError(
                f"The dictionary in {path} {what}: it does not reconstruct what it reads from its features alone",
                "Use a sparse autoencoder",
            )
    if config.get("activation", "topk") != "topk":
        raise DictionaryError(f"{file} has activation {config['activation']}", "Use a TopK dictionary")
    hook = path.resolve().name
    site = decide_site(site_of_hook(hook), asked, file, hook)
    k = number(config, "k", file)
    if k is None:
        raise DictionaryError(f"{file} does not state k", "Copy or download the dictionary again")
    with open_tensors(source) as opened:
        tensors = {"W_enc": read(opened, "encoder.weight").T, "W_dec": read(opened, "W_dec")}
        tensors |= {"b_enc": read(opened, "encoder.bias"), "b_dec": read(opened, "b_dec")}
    return build(
        Layout(
            source=source,
            format=FORMAT,
            architecture="topk",
            site=site,
            tensors={**tensors, "k": torch.tensor(float(k))},
            subtracts=True,
            width=number(config, "d_in", file),
            features=number(
                {**config, "num_latents": config.get("num_latents") or None}, "num_latents", file
            ),
            notes={"hook": hook},
        )
    )
