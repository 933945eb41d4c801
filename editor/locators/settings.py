"""Settings as edits and artefacts record them."""

from collections.abc import Mapping
from typing import Any


def flattened(settings: Mapping[str, Any], within: str = "") -> dict[str, float | str]:
    """Turn nested settings into `outer.inner` names; what is no number becomes text, None is left out."""
    flat: dict[str, float | str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{within}{name}.")
        elif value is not None:
            flat[f"{within}{name}"] = value if isinstance(value, int | float) else str(value)
    return flat
