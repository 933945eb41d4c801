"""A method's settings with everything random drawn by one seed."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from editor.model.loading import LoadedModel

M = TypeVar("M")
SEEDS = ("seed", "part_seed")
"""Names of settings that are seeds."""
STEPS = ("steps", "warm_start_steps")
"""Names of settings that are numbers of steps over what must stay."""
LARGE = 50_000_000
"""Weights of a model of which a step is so dear that half as many are taken, and no control edit is fitted."""


def is_large(loaded: LoadedModel) -> bool:
    """Return whether a model has more than `LARGE` weights."""
    weights: int = sum(weight.numel() for weight in loaded.model.parameters())
    return weights > LARGE


def with_seed(method: M, seed: int) -> M:
    """Return a method with every seed replaced, its own and those of what it holds.

    Args:
        method: a dataclass.
        seed: the value that each field named in `SEEDS` gets.
    """
    changes: dict[str, object] = {}
    for item in fields(method):  # type: ignore[arg-type]  # methods are dataclasses
        held = getattr(method, item.name)
        if item.name in SEEDS:
            changes[item.name] = seed
        # `is_dataclass` holds for classes too, which `replace` does not take.
        elif is_dataclass(held) and not isinstance(held, type):
            changes[item.name] = with_seed(held, seed)
    return replace(method, **changes)  # type: ignore[type-var]


def sized(method: M, weights: int) -> M:
    """Return a method for a model of so many weights: of a large one, with half of the steps that it has by default.

    Args:
        method: a dataclass.
        weights: number of the model's weights.
    """
    defaults = {item.name: item.default for item in fields(method)}  # type: ignore[arg-type]
    steps = {name: getattr(method, name) for name in STEPS if name in defaults}
    if weights <= LARGE or any(steps[name] != defaults[name] for name in steps):
        return method
    return replace(method, **{name: count // 2 for name, count in steps.items()})  # type: ignore[type-var]
