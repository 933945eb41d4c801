"""A method's settings: as an edit records them, and with everything random drawn by one seed."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

M = TypeVar("M")
SEEDS = ("seed", "part_seed")
"""Settings that are seeds."""


def flattened(settings: Mapping[str, Any], within: str = "") -> dict[str, float | str]:
    """Turn nested settings into `outer.inner` names; what is no number becomes text, None is left out."""
    flat: dict[str, float | str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{within}{name}.")
        elif value is not None:
            flat[f"{within}{name}"] = value if isinstance(value, int | float) else str(value)
    return flat


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
