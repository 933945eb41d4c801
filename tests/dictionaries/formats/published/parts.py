"""What published files are made of: sizes, tensors, and how they are written."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from dictionaries.model.sites import Site

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


def linear(w_enc, w_dec):
    """As torch's linear layers store them: (outputs, inputs)."""
    return {"encoder.weight": w_enc.T.contiguous(), "decoder.weight": w_dec.T.contiguous()}
