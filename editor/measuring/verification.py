"""Integrity: is the checkpoint that was written the one that was meant, and nothing else?

Everything here looks at the checkpoint read back from disk, in a fresh model.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, one_batch
from editor.results.report import Check


def integrity_checks(
    before: LoadedModel,
    after: LoadedModel,
    again: LoadedModel,
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
        again: the checkpoint read back a second time.
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
    return (*checks, *_behaviour(before, after, again, sequences))


def _behaviour(
    before: LoadedModel, after: LoadedModel, again: LoadedModel, sequences: Sequence[TokenSequence]
) -> list[Check]:
    first, second = _logits(after, sequences), _logits(again, sequences)
    finite = bool(torch.isfinite(first).all())
    same = torch.equal(first, second)
    tokenizer = _vocabulary(before) == _vocabulary(after)
    return [
        Check(name="finite logits", passed=finite, detail=f"on {len(sequences)} texts"),
        Check(name="second load gives the same logits", passed=same, detail="bit for bit"),
        Check(name="same tokenizer", passed=tokenizer, detail="vocabulary, merges and special tokens"),
    ]


@torch.no_grad()
def _logits(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> torch.Tensor:
    batch = one_batch(loaded, sequences)
    logits: torch.Tensor = loaded.model(**batch.inputs, use_cache=False).logits
    return logits[batch.predicting].float().cpu()


def _vocabulary(loaded: LoadedModel) -> tuple[Any, ...]:
    tokenizer = loaded.tokenizer
    return tokenizer.backend_tokenizer.to_str(), tokenizer.special_tokens_map
