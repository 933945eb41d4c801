"""A method's settings with everything random drawn by one seed."""

from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

M = TypeVar("M")
SEEDS = ("seed", "part_seed")
"""Names of settings that are seeds."""


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
