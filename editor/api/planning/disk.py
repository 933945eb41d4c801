"""Room on a disk: what a run writes, planned by kind of file, and at the least, for which there must be room."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from editor.api.requests import CaseRequest, EraseRequest
from policies.errors import OutputError

if TYPE_CHECKING:
    from editor.api.planning.basis import Basis
    from editor.model.loading import LoadedModel

LEAST_FREE = 2**26
"""Bytes that a report and its figures need at the least: 64 MiB."""
WEIGHTS = ("*.safetensors", "*.bin")
REPORTS = 2**23
"""Bytes of a report with its figures, tables and statements: a few MiB; each question adds little."""
KEPT = 2**12
"""Bytes of a file's header, about."""


def check_disk(output: Path, needed: int) -> None:
    """Refuse an output for which its disk has no room.

    Raises:
        OutputError: less than `needed` bytes are free.
    """
    free = free_disk(output)
    if free < needed:
        raise OutputError(
            f"The disk of {output} has {free / 2**20:,.0f} MiB free, and the output takes {needed / 2**20:,.0f} MiB "
            "at the least",
            "Free some space, or name an output on another disk",
        )


def free_disk(output: Path) -> int:
    """Return the bytes that are free on the disk of an output, whose folder may not be there yet."""
    folder = output.resolve()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def needed_bytes(request: CaseRequest) -> int:
    """Return the bytes that the output takes at the least, as far as shows before the model is loaded.

    Those are a report's, and of an erasure those of the weights in the model's folder.
    """
    model = Path(str(request.model)) if isinstance(request, EraseRequest) else None
    if model is None or not model.is_dir():
        return LEAST_FREE
    return LEAST_FREE + sum(path.stat().st_size for name in WEIGHTS for path in model.glob(name))


def checkpoint_bytes(loaded: "LoadedModel") -> int:
    """Return the bytes that writing an edited checkpoint takes at the least, once the model is loaded.

    Where no file holds the weights as they are, as after merging an adapter, what is stored in another dtype than it
    is computed in lies on the disk twice until it is written.
    """
    if loaded.files is not None:
        return LEAST_FREE + sum(path.stat().st_size for path in loaded.files.files)
    once = {id(tensor): (name, tensor) for name, tensor in loaded.model.state_dict(keep_vars=True).items()}
    total = LEAST_FREE
    for name, tensor in once.values():
        stored = loaded.dtype_of(name) if tensor.is_floating_point() else tensor.dtype
        total += tensor.numel() * stored.itemsize * (1 if stored == tensor.dtype else 2)
    return total


def written_bytes(basis: "Basis") -> dict[str, int]:
    """Return the bytes of the checkpoint, of what a revert needs, of the change, of dictionaries, and of reports.

    `model/` takes what the checkpoint takes, `originals` the tensors that are changed as they are stored. The change
    is of the rank of the located features at the most; it is kept twice where it is an adapter too.
    """
    from editor.methods.features.feature_edit import FeatureEdit

    shape, method = basis.shape, basis.options.method
    units = int(getattr(method, "units", 0) or 0)
    rank = max(1, units // max(1, basis.sites)) if isinstance(method, FeatureEdit) else None
    factors = sum(4 * (out + into) * min(rank or min(out, into), out, into) for out, into in basis.changed)
    keeping = basis.options.keeping
    found = {"model": shape.stored_bytes}
    if keeping.wanted:
        found["originals"] = basis.changed_weights * shape.stored_item + KEPT
        found["change"] = factors + KEPT
        found["adapter"] = factors + KEPT if keeping.in_the_clear else 0
    if basis.needs_dictionaries and not basis.given:
        each = 2 * shape.width * basis.features + 3 * basis.features + shape.width
        found["dictionaries"] = basis.sites * (4 * each + KEPT)
    found["reports"] = REPORTS
    return found
