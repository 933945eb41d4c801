"""Parts of a model for an experiment: a circuit, the rest, or as much at random; and what each is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from editor.locators.blocks import KINDS, BlockWeight, Masks, ModuleKind, block_weights

CircuitPart = Literal["circuit", "complement", "random"]
PARTS: tuple[CircuitPart, ...] = get_args(CircuitPart)


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Amount of one module kind in a mask.

    Attributes:
        kind: the module kind.
        weights: number of the blocks' weights of this kind.
        chosen: number of those that are in the mask.
        total: number of weights of all kinds in the mask.
    """

    kind: ModuleKind
    weights: int
    chosen: int
    total: int

    @property
    def density(self) -> float:
        """Share of the kind that is in the mask."""
        return self.chosen / self.weights if self.weights else 0.0

    @property
    def share(self) -> float:
        """Share of the mask that is of the kind. For LayerNorms it is bounded by how few weights they have."""
        return self.chosen / self.total if self.total else 0.0


def part_of(
    model: nn.Module, circuit: Masks, part: CircuitPart, seed: int = 0
) -> dict[str, Bool[Tensor, "..."]]:
    """Return the masks of a circuit, of all other block weights, or of as many of each module kind at random.

    Args:
        model: the model whose blocks the masks are of.
        circuit: masks of block weights.
        part: the part whose masks to return.
        seed: the seed of the random masks.
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
            masks |= _draw([w for w in weights if w.kind == kind], circuit, source)
        masks = {w.name: masks[w.name] for w in weights}
    return {name: mask for name, mask in masks.items() if bool(mask.any())}


def _whole(weight: BlockWeight) -> Bool[Tensor, "..."]:
    return torch.ones(weight.shape, dtype=torch.bool)


def _draw(
    weights: Sequence[BlockWeight], circuit: Masks, source: np.random.Generator
) -> dict[str, Bool[Tensor, "..."]]:
    """Draw as many weights as the circuit has of these, uniformly from all of them."""
    wanted = sum(int(circuit[w.name].sum()) for w in weights if w.name in circuit)
    counts: Any = source.multivariate_hypergeometric([w.size for w in weights], wanted) if weights else []
    masks = {}
    for weight, count in zip(weights, counts, strict=True):
        mask = np.zeros(weight.size, dtype=bool)
        mask[source.choice(weight.size, size=int(count), replace=False)] = True
        masks[weight.name] = torch.from_numpy(mask).view(weight.shape)
    return masks


def composition(model: nn.Module, masks: Masks) -> tuple[Composition, ...]:
    """Return what masks of block weights are made of, one entry for each module kind."""
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
