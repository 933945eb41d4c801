"""Rounding to few bits, as deployments do: what an edit only pushed below a rounding step comes back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import decoder_layers
from editor.attacks.attack import PreparedAttack
from editor.case import Case
from editor.edits.edit import preserved
from editor.questions.probes import Probe

GROUP = 64
"""Weights of one output that share a scale."""


@dataclass(frozen=True, kw_only=True)
class Quantising:
    """Rounding of every projection of the decoder.

    Attributes:
        bits: Number of bits of a weight.
        group: Number of weights of one output that share a scale.
    """

    bits: int
    group: int = GROUP

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"{self.bits}-bit weights (round to nearest, groups of {self.group})"

    def prepare(self, name: str, case: Case, erased: Sequence[Probe]) -> PreparedAttack:  # noqa: ARG002
        """Ask everything about the facts in scope."""
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=tuple(erased),
            applied=lambda loaded: quantised(loaded.model, self.bits, self.group),
        )


@contextmanager
def quantised(model: Any, bits: int, group: int = GROUP) -> Iterator[None]:
    """Round every projection of every decoder layer to `bits` bits inside the `with` block.

    Round-to-nearest, symmetric, with one scale for each group of `group` weights of one output along its
    inputs: what common weight-only deployments do, in plain torch.
    """
    names = projection_names(model)
    with preserved(model, names), torch.no_grad():
        for name in names:
            weight = model.get_parameter(name)
            transposed = isinstance(model.get_submodule(name.removesuffix(".weight")), Conv1D)
            rounded = round_to_nearest(weight.T if transposed else weight, bits, group)
            weight.copy_(rounded.T if transposed else rounded)
        yield


def projection_names(model: Any) -> set[str]:
    """Return the names of the weights of all linear maps inside the decoder layers."""
    layers = decoder_layers(model)
    inside = {id(module) for module in layers.modules() if isinstance(module, nn.Linear | Conv1D)}
    return {f"{name}.weight" for name, module in model.named_modules() if id(module) in inside}


def round_to_nearest(
    weight: Float[Tensor, "out into"], bits: int, group: int = GROUP
) -> Float[Tensor, "out into"]:
    """Quantise and dequantise with levels -(2^(bits-1)-1) … 2^(bits-1)-1 times a group's scale.

    Where `group` does not divide the inputs, all weights of an output share one scale.
    """
    out, into = weight.shape
    size = group if into % group == 0 else into
    grouped = weight.float().reshape(out, into // size, size)
    top = 2 ** (bits - 1) - 1
    scale = grouped.abs().amax(-1, keepdim=True).clamp(min=1e-12) / top
    rounded: Tensor = (grouped / scale).round().clamp(-top, top) * scale
    return rounded.reshape(out, into).to(weight.dtype)
