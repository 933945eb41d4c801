"""Room for an output on its disk."""

import shutil
from pathlib import Path

from editor.api.requests import CaseRequest, EraseRequest
from policies.errors import OutputError

LEAST_FREE = 2**26
"""Bytes that a report and its figures need at the least: 64 MiB."""
WEIGHTS = ("*.safetensors", "*.bin")


def needed_bytes(request: CaseRequest) -> int:
    """Return the bytes that the output takes at the least: those of a checkpoint that is written, and a report."""
    model = Path(str(request.model)) if isinstance(request, EraseRequest) else None
    if model is None or not model.is_dir():
        return LEAST_FREE
    return LEAST_FREE + sum(path.stat().st_size for name in WEIGHTS for path in model.glob(name))


def check_disk(output: Path, needed: int) -> None:
    """Refuse an output for which its disk has no room.

    Raises:
        OutputError: less than `needed` bytes are free.
    """
    folder = output.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"The disk of {output} has {free / 2**20:,.0f} MiB free, and the output takes {needed / 2**20:,.0f} MiB "
            "at the least",
            "Free some space, or name an output on another disk",
        )
