"""The arguments of a call from Python as a report keeps them, whoever is named in it masked."""

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from policies import ErasureRequest, Policy

if TYPE_CHECKING:
    from editor.api.requests import Request

HIDDEN = "***"
"""What stands for a data subject."""
UNTOLD = ("progress", "estimate", "command")
"""Fields of a request that change nothing of what it gives."""


def written(request: "Request") -> str:
    """Return the fields of a request that are not their defaults, as arguments of a call."""
    given = [
        f"{item.name}={_shown(item.name, getattr(request, item.name))}"
        for item in fields(request)
        if item.name not in UNTOLD and getattr(request, item.name) != _default(item)
    ]
    return ", ".join(given)


def _default(item: Any) -> Any:
    return item.default_factory() if callable(item.default_factory) else item.default


def _shown(name: str, value: Any) -> str:
    """Write a value as Python does; names of data subjects are hidden, values that have a name go by it."""
    if name in ("subject", "subjects"):
        return repr(HIDDEN if name == "subject" else [HIDDEN] * len(value))
    if name in ("also_erased", "previous"):
        return repr([HIDDEN if isinstance(one, ErasureRequest) else str(one) for one in value])
    if isinstance(value, ErasureRequest):
        return repr(HIDDEN)
    if isinstance(value, Policy | Mapping):
        return repr(value.name if isinstance(value, Policy) else dict(value))
    return repr(value if isinstance(value, str | int | float | bool | list | tuple) else str(value))
