"""Integrity: is the checkpoint that was written the one that was meant, and nothing else?

Everything here looks at the checkpoint read back from disk, in a fresh model.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from editor.edits.records import EditRecord
from editor.measuring.beside_weights import checks_beside
from editor.model.digests import file_digests
from editor.model.loading import LoadedModel, load_model
from editor.model.stored import StoredWeights
from editor.model.tokens import TokenSequence, batches
from editor.results.report import Check


def integrity_checks(
    before: LoadedModel,
    after: LoadedModel,
    checkpoint: Path,
    sequences: Sequence[TokenSequence],
    *,
    digests_before: Mapping[str, str],
    digests_after: Mapping[str, str],
    declared: Collection[str] | None,
    record: EditRecord | None = None,
) -> tuple[Check, ...]:
    """Check the written checkpoint.

    Args:
        before: the original model.
        after: the checkpoint read back.
        checkpoint: its folder, from which it is read a second time.
        sequences: a few token sequences to run.
        digests_before: `tensor_digests` of the original.
        digests_after: `tensor_digests` of the checkpoint.
        declared: the parameters that the edit says it changed; None where no edit is at hand.
        record: digests of the tensors as the edit left them; None where none are at hand.
    """
    changed = {n for n in digests_before if digests_after.get(n) != digests_before[n]}
    checks = [
        Check(
            name="same tensors",
            passed=set(digests_before) == set(digests_after),
            detail=f"{len(digests_after)} tensors, the names those of the original",
        ),
        Check(
            name="edit not empty",
            passed=bool(changed),
            detail=f"{len(changed)} of {len(digests_before)} tensors differ from the original",
        ),
    ]
    if declared is not None:
        undeclared = len(changed - set(declared))
        checks.append(
            Check(
                name="only declared tensors differ",
                passed=undeclared == 0,
                detail=f"{undeclared} tensors differ that the edit does not name",
            )
        )
    if record is not None:
        checks.append(_as_the_edit_left_them(record, checkpoint))
    return (
        *checks,
        _none_moved(changed, digests_before, digests_after),
        _same_dtypes(before, after, changed),
        *_behaviour(after, checkpoint, sequences),
        *checks_beside(before, after),
    )


def _as_the_edit_left_them(record: EditRecord, checkpoint: Path) -> Check:
    """Compare the tensors that an edit changed with their digests on record."""
    stored = StoredWeights.find(checkpoint)
    there = [name for name in record.tensors if stored and name in stored.tensors]
    digests = file_digests(stored, there) if stored else {}
    others = [name for name, (_, last) in record.tensors.items() if digests.get(name) != last]
    detail = f"{len(record.tensors)} tensors, by the digests in edit.json"
    if others:
        detail = (
            f"{len(others)} of the {len(record.tensors)} tensors that the edit changed are not as it left them, such "
            f"as {others[0]}. Take the checkpoint that `erase` wrote"
        )
    return Check(name="edited tensors are the edit's", passed=not others, detail=detail)


def _none_moved(changed: Collection[str], before: Mapping[str, str], after: Mapping[str, str]) -> Check:
    """Look for tensors that the original has in another place."""
    places = {digest: name for name, digest in before.items()}
    moved = sorted(name for name in changed if after.get(name) in places)
    detail = (
        f"{len(moved)} tensors are others of the original, such as {moved[0]}, which is its {places[after[moved[0]]]}. "
        "Moving tensors is no edit: put them back"
        if moved
        else "no tensor is another of the original"
    )
    return Check(name="no tensor in another's place", passed=not moved, detail=detail)


def _same_dtypes(before: LoadedModel, after: LoadedModel, changed: Collection[str]) -> Check:
    """Compare the dtypes in which tensors are stored."""
    others = sorted(name for name in changed if before.dtype_of(name) != after.dtype_of(name))
    detail = "of every tensor those of the original"
    if others:
        one, other = (str(loaded.dtype_of(others[0])).removeprefix("torch.") for loaded in (before, after))
        detail = (
            f"{len(others)} tensors are stored in another dtype than the original's, such as {others[0]} in {other} "
            f"instead of {one}. Rounding alone is no edit: save the checkpoint in the original's dtypes, or name the "
            "original in the checkpoint's by --against"
        )
    return Check(name="same dtypes", passed=not others, detail=detail)


def _behaviour(after: LoadedModel, checkpoint: Path, sequences: Sequence[TokenSequence]) -> list[Check]:
    first = _logits(after, sequences)
    finite = bool(torch.isfinite(first).all())
    same = _is_read_again(after, checkpoint) and torch.equal(first, _logits(after, sequences))
    return [
        Check(name="finite logits", passed=finite, detail=f"on {len(sequences)} texts"),
        Check(name="second load gives the same tensors and logits", passed=same, detail="bit for bit"),
    ]


def _is_read_again(after: LoadedModel, checkpoint: Path) -> bool:
    """Return whether the files hold, read again, exactly what the model holds, one tensor at a time.

    A third model would take as much memory again. It is loaded only where the files hold a tensor in another form.
    """
    stored = StoredWeights.find(checkpoint)
    names = stored.names_in(after.model) if stored else {}
    if stored is None or not all(names.values()):
        return _equal_tensors(after, _again(after, checkpoint))
    held = after.model.state_dict()
    return all(
        torch.equal(stored.read(name).to(held[mine].device, held[mine].dtype), held[mine])
        for mine, found in names.items()
        for name in found
    )


def _again(after: LoadedModel, checkpoint: Path) -> LoadedModel:
    return load_model(str(checkpoint), device=str(after.device), **after.alike, **after.placed)


def _equal_tensors(first: LoadedModel, second: LoadedModel) -> bool:
    mine, theirs = first.model.state_dict(), second.model.state_dict()
    return set(mine) == set(theirs) and all(torch.equal(mine[name], theirs[name]) for name in mine)


@torch.no_grad()
def _logits(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> torch.Tensor:
    found = []
    for batch in batches(sequences, pad=loaded.pad_id, device=loaded.device, passes=loaded.passes):
        logits: torch.Tensor = loaded.model(**batch.inputs, use_cache=False).logits
        found.append(logits[batch.predicting].float().cpu())
    return torch.cat(found)
