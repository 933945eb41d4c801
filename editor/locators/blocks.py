"""The weights of a decoder's blocks: which module each belongs to, and which of them make up a head or an MLP.

They are found by structure, for fused and separate projections alike:

    c_attn (GPT-2), qkv_proj (Phi-3)        outputs [q | k | v], each split by head; fewer heads in k and v than in q
                                            where groups of heads share them
    query_key_value (GPT-NeoX)              outputs by head, each [q, k, v]
    q_proj, k_proj, v_proj                  one by one, likewise grouped (Llama, Qwen2, Gemma-2, Mistral)

A head owns the outputs of these that are its own, or its group's, with their biases, and the inputs of attention's
output projection that it feeds. An MLP owns its parameters. Norms and the output projection's bias belong to no
single node.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import Site
from dictionaries.model.structure import attention_writer, expert_writers, mlp_writer, named_layers
from policies.errors import ModelError

ModuleKind = Literal["attention in", "attention out", "MLP in", "MLP out", "norm"]
KINDS: tuple[ModuleKind, ...] = get_args(ModuleKind)
Masks = Mapping[str, Bool[Tensor, "..."]]
"""Parameter name -> which of its entries; a parameter that is not named has none."""

STACKED = ("c_attn", "qkv_proj")
INTERLEAVED = ("query_key_value",)
SEPARATE = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True, order=True)
class Node:
    """An attention head or an MLP. `str` gives `head 3.1` and `MLP 3`.

    Attributes:
        layer: layer number, from 0.
        head: head number in the layer, from 0; -1 is the MLP.
    """

    layer: int
    head: int = -1

    @property
    def is_mlp(self) -> bool:
        """Whether it is an MLP."""
        return self.head < 0

    @property
    def site(self) -> Site:
        """Site of its output: all heads of a layer side by side, or what the MLP adds."""
        return Site(self.layer, "mlp_out" if self.is_mlp else "attn_heads")

    @property
    def unit(self) -> int:
        """Place of its output at the site."""
        return max(0, self.head)

    def __str__(self) -> str:
        return f"MLP {self.layer}" if self.is_mlp else f"head {self.layer}.{self.head}"


@dataclass(frozen=True, kw_only=True)
class BlockWeight:
    """One parameter of the blocks.

    Attributes:
        name: its name in `model.named_parameters()`.
        layer: layer number, from 0.
        kind: the kind of the module that it belongs to; a bias has its projection's.
        shape: its shape as stored.
    """

    name: str
    layer: int
    kind: ModuleKind
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of weights in it."""
        return torch.Size(self.shape).numel()


def head_count(model: Any) -> int:
    """Return the number of heads in a layer; their outputs lie side by side at the site `attn_heads`, equally wide."""
    config = model.config
    config = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    return int(config.num_attention_heads)


def all_nodes(model: nn.Module) -> list[Node]:
    """Return every head and MLP, layer by layer, the MLP after its layer's heads."""
    heads = head_count(model)
    layers = range(len(named_layers(model)[1]))
    return [Node(layer, head) for layer in layers for head in (*range(heads), -1)]


def block_weights(model: nn.Module) -> list[BlockWeight]:
    """Return every parameter of the decoder's layers, in the model's order.

    Raises:
        ModelError: the model's structure is not understood.
    """
    prefix, layers = named_layers(model)
    found = []
    for number, layer in enumerate(layers):
        path = f"{prefix}.{number}"
        attention, mlp = attention_writer(layer, path).name, _mlp_outputs(layer, path)
        for name, parameter in layer.named_parameters():
            whole = f"{path}.{name}"
            found.append(
                BlockWeight(
                    name=whole,
                    layer=number,
                    kind=_kind(layer, name, whole, attention, mlp),
                    shape=tuple(parameter.shape),
                )
            )
    return found


def key_makers(model: nn.Module, layer: int) -> list[BlockWeight]:
    """Return the matrices of an MLP before its output projection: what makes that one's keys.

    Raises:
        ModelError: the model's structure is not understood.
    """
    return [
        weight
        for weight in block_weights(model)
        if weight.layer == layer and weight.kind == "MLP in" and len(weight.shape) == 2
    ]


def _mlp_outputs(layer: nn.Module, path: str) -> frozenset[str]:
    """Return the modules that write an MLP's output: one, or one an expert."""
    writers = expert_writers(layer, path) or (mlp_writer(layer, path),)
    return frozenset(writer.name.rpartition(".")[0] for writer in writers)


def _kind(layer: nn.Module, name: str, whole: str, attention: str, mlp: frozenset[str]) -> ModuleKind:
    owner = layer.get_submodule(name.rpartition(".")[0])
    if not isinstance(owner, nn.Linear | Conv1D):
        return "norm"
    if whole.rpartition(".")[0] == attention.rpartition(".")[0]:
        return "attention out"
    if whole.rpartition(".")[0] in mlp:
        return "MLP out"
    return "attention in" if whole.startswith(_parent(attention)) else "MLP in"


def _parent(weight: str) -> str:
    """Return `layers.0.attn.` for `layers.0.attn.c_proj.weight`."""
    return weight.rsplit(".", 2)[0] + "."


def node_masks(model: nn.Module, nodes: Iterable[Node]) -> dict[str, Bool[Tensor, "..."]]:
    """Return the masks of the weights that make up some nodes, by parameter name.

    Raises:
        ModelError: how a layer's queries, keys and values are laid out is not understood.
    """
    masks: dict[str, Tensor] = {}
    blocks: dict[int, list[BlockWeight]] = {}
    for weight in block_weights(model):
        blocks.setdefault(weight.layer, []).append(weight)
    for node in nodes:
        for weight in blocks[node.layer]:
            entries = _mlp_entries(weight) if node.is_mlp else _head_entries(model, weight, node.head)
            if entries is not None:
                masks[weight.name] = masks[weight.name] | entries if weight.name in masks else entries
    return masks


def _mlp_entries(weight: BlockWeight) -> Bool[Tensor, "..."] | None:
    return torch.ones(weight.shape, dtype=torch.bool) if weight.kind in ("MLP in", "MLP out") else None


def _head_entries(model: nn.Module, weight: BlockWeight, head: int) -> Bool[Tensor, "..."] | None:
    """Return which entries of an attention weight belong to a head, None for none."""
    path, _, _ = weight.name.rpartition(".")
    module: Any = model.get_submodule(path)
    transposed = isinstance(module, Conv1D)
    if weight.kind == "attention out":
        if len(weight.shape) == 1:
            return None
        inputs = weight.shape[0] if transposed else weight.shape[1]
        width = inputs // head_count(model)
        own = _spread(inputs, torch.arange(head * width, (head + 1) * width))
        return _along(own, weight.shape, transposed)
    if weight.kind != "attention in":
        return None
    outputs = weight.shape[-1] if transposed or len(weight.shape) == 1 else weight.shape[0]
    own = _spread(outputs, _head_outputs(model, weight.layer, path.rpartition(".")[2], outputs, head))
    return own if len(weight.shape) == 1 else _along(own, weight.shape, not transposed)


def _head_outputs(model: nn.Module, layer: int, name: str, outputs: int, head: int) -> Int[Tensor, " own"]:
    """Return the outputs of one of attention's input projections that a head uses."""
    prefix, layers = named_layers(model)
    heads = head_count(model)
    queries = attention_writer(layers[layer], f"{prefix}.{layer}").inputs
    width = queries // heads
    if name in INTERLEAVED and outputs == 3 * queries:
        return torch.arange(head * 3 * width, (head + 1) * 3 * width)
    if name in SEPARATE and outputs % width == 0:
        return _of_group(outputs, 0, width, head, heads)
    shared = (outputs - queries) // 2
    if name in STACKED and shared > 0 and shared % width == 0:
        places = ((queries, 0), (shared, queries), (shared, queries + shared))
        return torch.cat([_of_group(size, start, width, head, heads) for size, start in places])
    raise ModelError(
        f"How {name} of layer {layer} lays out its {outputs} outputs over {heads} heads is not understood",
        "Use a model such as GPT-2, GPT-NeoX, Llama, Qwen2, Gemma-2, Mistral or Phi-3",
    )


def _of_group(size: int, start: int, width: int, head: int, heads: int) -> Int[Tensor, " own"]:
    """Return where a head's part is in a stretch of outputs that may hold fewer heads than the queries do."""
    group = head * (size // width) // heads
    return torch.arange(start + group * width, start + (group + 1) * width)


def _spread(size: int, places: Int[Tensor, " own"]) -> Bool[Tensor, " size"]:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[places] = True
    return mask


def _along(own: Bool[Tensor, " n"], shape: tuple[int, ...], first: bool) -> Bool[Tensor, "rows columns"]:
    """Expand a mask over a matrix's first dimension, or over its second, to the matrix."""
    return (own[:, None] if first else own[None, :]).expand(shape).clone()
