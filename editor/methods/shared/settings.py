"""A method's settings with everything random drawn by one seed."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

M = TypeVar("M")
SEEDS = ("seed", "part_seed")
"""Settings that are seeds."""


def with_seed(method: M, seed: int) -> M:
    """Replace every seed of a method and of what it holds."""
    changes: dict[str, object] = {}
    for item in fields(method):  # type: ignore[arg-type]  # methods are dataclasses
        held = getattr(method, item.name)
        if item.name in SEEDS:
            changes[item.name] = seed
        elif is_dataclass(held) and not isinstance(held, type):
            changes[item.name] = with_seed(held, seed)
    return replace(method, **changes)  # type: ignore[type-var]
