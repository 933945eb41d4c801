"""The paths that a request names to be read: none of them is ever replaced by its output."""

from dataclasses import fields
from pathlib import Path

from editor.api.requests import Request

READ = frozenset(
    {
        *("model", "baseline", "reference", "against", "edited", "erased", "base", "out_of", "previous"),
        *("corpus", "facts", "policy", "request", "requests", "also_erased", "probes", "detector_quality"),
        *("dictionary", "edit", "case_key", "ledger", "sign_key", "key", "passphrase_file"),
        *("originals_key", "originals_passphrase_file"),
    }
)
"""Fields of requests that name what is read."""


def read_paths(request: Request) -> list[Path]:
    """Return the paths that a run reads; names of presets and of models on the hub are taken for paths too."""
    given = [getattr(request, item.name) for item in fields(request) if item.name in READ]
    several = [one for value in given for one in (value if isinstance(value, list | tuple) else (value,))]
    return [Path(one) for one in several if isinstance(one, str | Path) and str(one)]
