"""Attacks on weights without training: the projections of the decoder, changed and restored."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import decoder_layers
from editor.attacks.attack import Attacked, Level, Levels, UntestedError
from editor.edits.edit import preserved

Change = Callable[[Tensor], Tensor]
"""What a level makes of a projection's weight, (out, into)."""


def projection_names(model: Any) -> set[str]:
    """Return the names of the weights of all linear maps inside the decoder layers."""
    layers = decoder_layers(model)
    inside = {id(module) for module in layers.modules() if isinstance(module, nn.Linear | Conv1D)}
    return {f"{name}.weight" for name, module in model.named_modules() if id(module) in inside}


def projection_levels(model: Any, levels: Iterable[tuple[Level, Change]]) -> Levels:
    """Yield each level while every projection is changed as it says; afterwards all are what they were, bit for bit."""
    transposed = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, Conv1D)}

    def changed(change: Change) -> Callable[[str, Tensor], Tensor]:
        return lambda name, weight: change(weight.T).T if name in transposed else change(weight)

    yield from weight_levels(
        model, projection_names(model), ((level, changed(change)) for level, change in levels)
    )


def weight_levels(
    model: Any, names: set[str], levels: Iterable[tuple[Level, Callable[[str, Tensor], Tensor]]]
) -> Levels:
    """Yield each level while parameters are changed as it says; afterwards they are what they were, bit for bit.

    Args:
        model: model with the parameters.
        names: parameters that are changed.
        levels: levels, each with a function from a parameter's name and value to the value that it gets.
    """
    for level, change in levels:
        with weights_changed(model, names, change):
            yield level


@contextmanager
def weights_changed(model: Any, names: set[str], change: Callable[[str, Tensor], Tensor]) -> Iterator[None]:
    """Change parameters inside the block; afterwards they are what they were, bit for bit.

    Args:
        model: model with the parameters.
        names: parameters that are changed.
        change: function from a parameter's name and value to the value that it gets.
    """
    with preserved(model, names):
        with torch.no_grad():
            for name in sorted(names):
                weight = model.get_parameter(name)
                weight.copy_(change(name, weight))
        yield


def edited_names(attacked: Attacked) -> set[str]:
    """Return the names of the parameters that are not the original's.

    Raises:
        UntestedError: the original's weights are not at hand, or they are of another shape.
    """
    original, parameters = attacked.original, dict(attacked.model.named_parameters())
    if original is None:
        raise UntestedError("the original model's weights are not at hand")
    if any(original(name).shape != weight.shape for name, weight in parameters.items()):
        raise UntestedError("the original model's weights have other shapes")
    return {name for name, weight in parameters.items() if not torch.equal(original(name).to(weight), weight)}
