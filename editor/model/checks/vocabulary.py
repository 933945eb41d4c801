"""A tokenizer beside its model's embedding: no token may lie beyond the embedding's rows."""

from collections.abc import Iterable
from typing import Any

import torch

from policies.errors import ModelError


def check_vocabulary(tokenizer: Any, rows: int, source: str) -> None:
    """Refuse a tokenizer whose own vocabulary, or whose marks of every text, lie beyond the model's embedding.

    Added tokens may lie beyond it: the model was trained on no text that holds one. A text of the run that does is
    refused where it would be read (`watch_vocabulary`). A padding token beyond it is given up for another.

    Args:
        tokenizer: the tokenizer.
        rows: number of rows of the model's embedding.
        source: the path or hub name that the user gave.

    Raises:
        ModelError: tokens other than unused added ones lie beyond the embedding.
    """
    beyond = _beyond(tokenizer, rows)
    if not beyond:
        return
    if beyond - set(tokenizer.added_tokens_decoder):
        raise ModelError(
            f"The tokenizer of {source} has {len(beyond):,} tokens beyond the {rows:,} rows of the model's embedding",
            "Take the tokenizer that the model was trained with, or resize the model's embedding to it and train it",
        )
    for other in (tokenizer.eos_token, tokenizer.bos_token, tokenizer.convert_ids_to_tokens(0)):
        if tokenizer.pad_token_id in beyond and other is not None:
            tokenizer.pad_token = other
    refuse_beyond(tokenizer("a")["input_ids"], rows)


def identity(tokenizer: Any) -> tuple[Any, ...]:
    """Return what makes two fast tokenizers the same: vocabulary, merges and special tokens."""
    return tokenizer.backend_tokenizer.to_str(), tokenizer.special_tokens_map


def check_asked_alike(reference: Any, tokenizer: Any, source: str) -> None:
    """Refuse a reference model that would be asked in other tokens, or in other words around them, than the model.

    Args:
        reference: the reference's tokenizer.
        tokenizer: the model's tokenizer.
        source: the path or hub name of the reference that the user gave.

    Raises:
        ModelError: the tokenizers or their chat templates differ.
    """
    templates = (getattr(one, "chat_template", None) for one in (reference, tokenizer))
    differ = "another tokenizer" if identity(reference) != identity(tokenizer) else ""
    if not differ and len(set(map(str, templates))) > 1:
        differ = "another chat template"
    if differ:
        raise ModelError(
            f"The reference {source} has {differ} than the model: their figures cannot be compared",
            "Give a reference that was trained with the model's tokenizer, saved beside it unchanged",
        )


def watch_vocabulary(model: Any, tokenizer: Any) -> int | None:
    """Let a model refuse tokens that it has no embedding of, where its tokenizer has such tokens.

    Returns:
        The number of tokens that it has an embedding of where the tokenizer has others; None where it has none.
    """
    embedding = model.get_input_embeddings()
    rows = int(embedding.weight.shape[0])
    if not _beyond(tokenizer, rows):
        return None
    embedding.register_forward_pre_hook(lambda _, inputs: _refuse(inputs, rows))
    return rows


def refuse_beyond(ids: Iterable[int], rows: int) -> None:
    """Refuse tokens that a model has no embedding of.

    Args:
        ids: tokens.
        rows: number of tokens that the model has an embedding of.

    Raises:
        ModelError: there is one.
    """
    if any(index >= rows for index in ids):
        raise _beyond_error(rows)


def _refuse(inputs: tuple[Any, ...], rows: int) -> None:
    if inputs and isinstance(inputs[0], torch.Tensor) and bool((inputs[0] >= rows).any()):
        raise _beyond_error(rows)


def _beyond(tokenizer: Any, rows: int) -> set[int]:
    return {index for index in tokenizer.get_vocab().values() if index >= rows}


def _beyond_error(rows: int) -> ModelError:
    return ModelError(
        f"A text holds an added token of the tokenizer that lies beyond the {rows:,} rows of the model's embedding",
        "Resize the model's embedding to its tokenizer, or take the token out of the tokenizer, its chat template or "
        "the text; `expunge audit` also takes --no-chat",
    )
