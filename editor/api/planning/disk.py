"""Bytes that an erasure writes, by kind of file."""

from editor.api.planning.basis import Basis
from editor.methods.features.feature_edit import FeatureEdit

REPORTS = 2**23
"""Bytes of a report with its figures, tables and statements: a few MiB; each question adds little."""
KEPT = 2**12
"""Bytes of a file's header, about."""


def written_bytes(basis: Basis) -> dict[str, int]:
    """Return the bytes of the checkpoint, of what a revert needs, of the change, of dictionaries, and of reports.

    `model/` takes what the checkpoint takes, `originals` the tensors that are changed as they are stored. The change
    is of the rank of the located features at the most; it is kept twice where it is an adapter too.
    """
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
