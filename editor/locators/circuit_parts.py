"""Parts of a model for an experiment: a circuit, the rest, or as much at random; and what each is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from editor.locators.blocks import KINDS, BlockWeight, Masks, ModuleKind, block_weights

Part = Literal["circuit", "complement", "random"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What a mask is made of, by module kind.

    Attributes:
        kind: the module kind.
        weights: how many weights of the blocks are of it.
        chosen: how many of them are in the mask.
        total: how many weights of all kinds are in the mask.
    """

    kind: ModuleKind
    weights: int
    chosen: int
    total: int

    @property
    def density(self) -> float:
        """The share of the kind that is in the mask."""
        return self.chosen / self.weights if self.weights else 0.0

    @property
    def share(self) -> float:
        """The share of the mask that is of the kind; what LayerNorms can have of it is bounded by how few they are."""
        return self.chosen / self.total if self.total else 0.0


def part_of(model: nn.Module, circuit: Masks, part: Part, seed: int = 0) -> dict[str, Bool[Tensor, "..."]]:
    """Return the masks of a circuit, of all other block weights, or of as many of each module kind at random.

    Args:
        model: whose blocks.
        circuit: masks of block weights.
        part: which.
        seed: of the random mask.
    """
    if part == "circuit":
        return dict(circuit)
    weights = block_weights(model)
    if part == "complement":
        masks = {w.name: ~circuit[w.name] if w.name in circuit else _whole(w) for w in weights}
    else:
        masks = {}
        source = np.random.default_rng(seed)
        for kind in KINDS:
            masks |= _drawn([w for w in weights if w.kind == kind], circuit, source)
        masks = {w.name: masks[w.name] for w in weights}
    return {name: mask for name, mask in masks.items() if bool(mask.any())}


def _whole(weight: BlockWeight) -> Bool[Tensor, "..."]:
    return torch.ones(weight.shape, dtype=torch.bool)


def _drawn(
    weights: Sequence[BlockWeight], circuit: Masks, source: np.random.Generator
) -> dict[str, Bool[Tensor, "..."]]:
    """As many weights as the circuit has of these, drawn uniformly from all of them."""
    wanted = sum(int(circuit[w.name].sum()) for w in weights if w.name in circuit)
    counts: Any = source.multivariate_hypergeometric([w.size for w in weights], wanted) if weights else []
    masks = {}
    for weight, count in zip(weights, counts, strict=True):
        mask = np.zeros(weight.size, dtype=bool)
        mask[source.choice(weight.size, size=int(count), replace=False)] = True
        masks[weight.name] = torch.from_numpy(mask).view(weight.shape)
    return masks


def composition(model: nn.Module, masks: Masks) -> tuple[Composition, ...]:
    """What masks of block weights are made of: density within each module kind, and the kinds' shares."""
    weights = block_weights(model)
    chosen = {w.name: int(masks[w.name].sum()) if w.name in masks else 0 for w in weights}
    return tuple(
        Composition(
            kind=kind,
            weights=sum(w.size for w in weights if w.kind == kind),
            chosen=sum(chosen[w.name] for w in weights if w.kind == kind),
            total=sum(chosen.values()),
        )
        for kind in KINDS
    )
