"""The shape of a model by its configuration: how many weights, how wide, how many bytes in which precision."""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dictionaries.model.sites import decoder_layers
from editor.model.stored import StoredWeights
from editor.model.tokens import Sizes
from policies.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a model.

    Attributes:
        architecture: its class in transformers.
        layers: L, number of decoder layers.
        width: d, width of the residual stream.
        hidden: m, width inside an MLP.
        keys_values: width of a layer's keys and values together.
        queries: width of a layer's queries.
        vocabulary: number of tokens that logits are given for.
        weights: number of weights, tied ones once.
        layer_weights: weights of a layer, a mean over layers.
        multiplied: those of them that a token is multiplied by: fewer than all in a mixture of experts.
        projected: weights of all linear maps inside the layers.
        stored_bytes: bytes of the checkpoint's weights on disk.
        stored_item: bytes of a stored number.
        dtype: precision of computing.
    """

    architecture: str
    layers: int
    width: int
    hidden: int
    keys_values: int
    queries: int
    vocabulary: int
    weights: int
    layer_weights: int
    multiplied: int
    projected: int
    stored_bytes: int
    stored_item: int
    dtype: torch.dtype

    @property
    def item(self) -> int:
        """Bytes of a number that is computed with."""
        return self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of all weights in memory."""
        return self.weights * self.item

    def computed_in(self, dtype: torch.dtype) -> "Shape":
        """Return the same shape in another precision."""
        return replace(self, dtype=dtype)


def shape_of(model: nn.Module, folder: Path | None, stored: torch.dtype, dtype: torch.dtype) -> Shape:
    """Return the shape of a model, whose weights may be missing.

    Args:
        model: model, on the meta device or loaded.
        folder: folder of its weights; None where they are not on this machine.
        stored: dtype in which weights are stored, or would be.
        dtype: precision of computing.
    """
    named: Any = model
    config = named.config.get_text_config(decoder=True)
    sizes = Sizes.of(model)
    weights = sum(parameter.numel() for parameter in model.parameters())
    inside, projected = _layers(model, weights)
    outside = weights - sum(inside.values())
    share = _experts_share(config)
    multiplied = sum(size * (share if "expert" in name else 1.0) for name, size in inside.items())
    return Shape(
        architecture=type(model).__name__,
        layers=sizes.layers,
        width=sizes.width,
        hidden=sizes.hidden,
        keys_values=sizes.keys_values,
        queries=sizes.queries,
        vocabulary=int(getattr(config, "vocab_size", None) or outside // max(1, sizes.width)),
        weights=weights,
        layer_weights=sum(inside.values()) // sizes.layers,
        multiplied=int(multiplied) // sizes.layers,
        projected=projected,
        stored_bytes=_stored_bytes(model, folder, stored),
        stored_item=stored.itemsize,
        dtype=dtype,
    )


def _layers(model: nn.Module, weights: int) -> tuple[dict[str, int], int]:
    """Return the numbers of weights inside the decoder layers by name, and of those that are matrices."""
    try:
        inside = [
            (f"{number}.{name}", weight)
            for number, layer in enumerate(decoder_layers(model))
            for name, weight in layer.named_parameters()
        ]
    except ModelError:  # a structure that is not understood: all but the embeddings
        named: Any = model
        rest = weights - named.get_input_embeddings().weight.numel()
        return {"layers": rest}, rest
    sizes = {name: weight.numel() for name, weight in inside}
    return sizes, sum(weight.numel() for _, weight in inside if weight.dim() > 1)


def _experts_share(config: Any) -> float:
    """Return the share of a mixture's experts that a token passes through; 1 without a mixture."""
    chosen = getattr(config, "num_experts_per_tok", None)
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    there = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
    return min(1.0, chosen / there) if chosen and there else 1.0


def _stored_bytes(model: nn.Module, folder: Path | None, stored: torch.dtype) -> int:
    """Return the bytes of a checkpoint's weight files; of what its tensors take where there are none."""
    found = StoredWeights.find(folder) if folder is not None and folder.is_dir() else None
    if found is not None:
        return sum(path.stat().st_size for path in found.files)
    once = {id(tensor): tensor for tensor in model.state_dict(keep_vars=True).values()}
    return sum(
        prod(tensor.shape) * (stored.itemsize if tensor.is_floating_point() else tensor.element_size())
        for tensor in once.values()
    )
