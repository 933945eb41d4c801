"""A never-seen reference model, checked before anything is computed."""

import filecmp
from pathlib import Path

from editor.api.requests import EraseRequest, VerifyRequest
from editor.model.checks.vocabulary import check_asked_alike
from editor.model.loading import CheckedModel, check_model
from policies.errors import ModelError

WEIGHTS = (".safetensors", ".bin")


def read_reference(request: EraseRequest | VerifyRequest, source: str, *others: Path) -> str | None:
    """Return the reference that a request names, which can be loaded and asked as the model is; None for none.

    Args:
        request: what was asked.
        source: the model that the facts are erased from, or were.
        others: checkpoints that know, or knew, the facts too.

    Raises:
        ModelError: one of the two cannot be loaded, their tokenizers or chat templates differ, or the reference has the
            very weights of a model that saw the facts.
    """
    if request.reference is None:
        return None
    reference = str(request.reference)
    checked = _check(request, reference)
    check_asked_alike(checked.tokenizer, _check(request, source).tokenizer, reference)
    if any(_same_weights(Path(reference), other) for other in (Path(source), *others)):
        raise ModelError(
            f"The reference {reference} has the very weights of a model that saw the facts",
            "Name a model that was trained without them, or leave --reference out",
        )
    return reference


def _same_weights(first: Path, second: Path) -> bool:
    """Return whether two folders hold the same files of weights; files that differ early are read no further."""
    names = _weights(first)
    return (
        bool(names)
        and names == _weights(second)
        and not any(filecmp.cmpfiles(first, second, names, False)[1:])
    )


def _weights(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix in WEIGHTS)


def _check(request: EraseRequest | VerifyRequest, source: str) -> CheckedModel:
    return check_model(
        source,
        device=request.device,
        trust_remote_code=request.trust_remote_code,
        full_precision=True,
    )
