"""Binary autoencoders of the reference code of Cho et al. 2025 (arXiv 2509.20997): a state dict `model_*.pt`.

It has no metadata, so the site is asked for, and no running means of the bits: they start at 0, which reads a
bit that is off as one that says nothing.
"""

from pathlib import Path

import torch

from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build
from dictionaries.formats.sources import Asked, decide_site
from dictionaries.formats.tensors import open_tensors, read, refuse_pickle
from policies.errors import DictionaryError

FORMAT = "bae"
PATTERN = "model_*.pt"


def recognises(path: Path) -> bool:
    """Return whether a folder holds dictionaries of this format, or the path is one."""
    return path.match(PATTERN) if path.is_file() else any(path.glob(PATTERN))


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary: h = 1[x W_enc + b_enc > 0], x̂ = h W_dec + b_dec.

    Raises:
        DictionaryError: it is damaged, a pickle, one of several, or nobody says what it reads.
    """
    found = [path] if path.is_file() else sorted(path.glob(PATTERN))
    if len(found) > 1:
        raise DictionaryError(f"{path} holds {len(found)} files {PATTERN}", "Give the file of one of them")
    source = found[0]
    refuse_pickle(source)
    site = decide_site(None, asked, source)
    with open_tensors(source) as file:
        tensors = {"W_enc": read(file, "encoder.weight").T, "W_dec": read(file, "decoder.weight").T}
        tensors |= {"b_enc": read(file, "encoder.bias"), "b_dec": read(file, "decoder.bias")}
    tensors["running_mean"] = torch.zeros_like(tensors["b_enc"])
    return build(
        Layout(
            source=source, format=FORMAT, architecture="binary", site=site, tensors=tensors, subtracts=False
        )
    )
