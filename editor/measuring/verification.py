"""Integrity: is the checkpoint that was written the one that was meant, and nothing else?

Everything here looks at the checkpoint read back from disk, in a fresh model.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from editor.model.checks.vocabulary import identity
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
    return (*checks, *_behaviour(before, after, checkpoint, sequences))


def _behaviour(
    before: LoadedModel, after: LoadedModel, checkpoint: Path, sequences: Sequence[TokenSequence]
) -> list[Check]:
    first = _logits(after, sequences)
    finite = bool(torch.isfinite(first).all())
    same = _is_read_again(after, checkpoint) and torch.equal(first, _logits(after, sequences))
    tokenizer = identity(before.tokenizer) == identity(after.tokenizer)
    return [
        Check(name="finite logits", passed=finite, detail=f"on {len(sequences)} texts"),
        Check(name="second load gives the same tensors and logits", passed=same, detail="bit for bit"),
        Check(name="same tokenizer", passed=tokenizer, detail="vocabulary, merges and special tokens"),
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
    return load_model(str(checkpoint), device=str(after.device), **after.alike)


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
