"""Settings of a method: as an edit records them, and with everything random drawn by one seed."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

M = TypeVar("M")
SEEDS = ("seed", "part_seed")
"""Names of settings that are seeds."""


def flattened(settings: Mapping[str, Any], within: str = "") -> dict[str, float | str]:
    """Turn nested settings into `outer.inner` names; what is no number becomes text, None is left out.

    Args:
        settings: values by name, mappings among them.
        within: prefix of every name, its dot included.
    """
    flat: dict[str, float | str] = {}
    for name, value in settings.items():
        # None says that a setting is left to the method, so there is nothing to record.
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{within}{name}.")
        elif value is not None:
            flat[f"{within}{name}"] = value if isinstance(value, int | float) else str(value)
    return flat


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
