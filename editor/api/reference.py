"""A never-seen reference model, checked before anything is computed."""

from editor.api.requests import EraseRequest, VerifyRequest
from editor.model.checks.vocabulary import check_asked_alike
from editor.model.loading import CheckedModel, check_model


def read_reference(request: EraseRequest | VerifyRequest, source: str) -> str | None:
    """Return the reference that a request names, which can be loaded and asked as the model is; None for none.

    Args:
        request: what was asked.
        source: the model that the facts are erased from, or were.

    Raises:
        ModelError: one of the two cannot be loaded, or their tokenizers or chat templates differ.
    """
    if request.reference is None:
        return None
    reference = str(request.reference)
    checked = _check(request, reference)
    check_asked_alike(checked.tokenizer, _check(request, source).tokenizer, reference)
    return reference


def _check(request: EraseRequest | VerifyRequest, source: str) -> CheckedModel:
    return check_model(
        source,
        device=request.device,
        trust_remote_code=request.trust_remote_code,
        full_precision=True,
    )
