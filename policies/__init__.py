"""Policies: what counts as personal, what "erased" means, and whose data must go.

The models are loaded on first use, so that importing `policies.errors` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policies.policy import (
        DecodingSettings,
        EntityRule,
        LeakageCeilings,
        Pattern,
        Policy,
        UtilityFloors,
        load_policy,
        preset_names,
    )
    from policies.request import ErasureRequest, Subject, load_request

__all__ = [
    "DecodingSettings",
    "EntityRule",
    "ErasureRequest",
    "LeakageCeilings",
    "Pattern",
    "Policy",
    "Subject",
    "UtilityFloors",
    "load_policy",
    "load_request",
    "preset_names",
]

_REQUEST = ("ErasureRequest", "Subject", "load_request")


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module("policies.request" if name in _REQUEST else "policies.policy")
    return getattr(module, name)
