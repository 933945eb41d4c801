"""A tokenizer beside its model's embedding: no token may lie beyond the embedding's rows."""

from collections.abc import Iterable
from typing import Any

import torch

from policies.errors import ModelError


def check_vocabulary(model: Any, tokenizer: Any, source: str) -> None:
    """Refuse a tokenizer whose own vocabulary, or whose marks of every text, lie beyond the model's embedding.

    Added tokens may lie beyond it, as no text that the model was trained on can have held them. A text of the run that
    holds one is refused where it would be read. A padding token beyond it is given up for another.

    Args:
        model: the model; it is watched where there are such tokens.
        tokenizer: its tokenizer.
        source: the path or hub name that the user gave.

    Raises:
        ModelError: tokens other than unused added ones lie beyond the embedding.
    """
    rows = embedding_rows(model)
    beyond = {index for index in tokenizer.get_vocab().values() if index >= rows}
    if not beyond:
        return
    added = set(tokenizer.added_tokens_decoder)
    if beyond - added:
        raise ModelError(
            f"The tokenizer of {source} has {len(beyond)} tokens beyond the {rows:,} rows of the model's embedding",
            "Name the tokenizer that the model was trained with, or resize the model's embedding and train it",
        )
    if tokenizer.pad_token_id in beyond:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
    if tokenizer.pad_token_id in beyond:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    refuse_beyond(tokenizer("a")["input_ids"], rows)
    embedding = model.get_input_embeddings()
    embedding.register_forward_pre_hook(lambda _, inputs: _refuse(inputs, rows))


def embedding_rows(model: Any) -> int:
    """Return the number of tokens that a model has an embedding of."""
    return int(model.get_input_embeddings().weight.shape[0])


def refuse_beyond(ids: Iterable[int], rows: int) -> None:
    """Refuse tokens that a model has no embedding of.

    Raises:
        ModelError: there is one.
    """
    if any(index >= rows for index in ids):
        raise _beyond(rows)


def _refuse(inputs: tuple[Any, ...], rows: int) -> None:
    if inputs and isinstance(inputs[0], torch.Tensor) and bool((inputs[0] >= rows).any()):
        raise _beyond(rows)


def _beyond(rows: int) -> ModelError:
    return ModelError(
        f"A text holds an added token of the tokenizer that lies beyond the {rows:,} rows of the model's embedding",
        "Resize the model's embedding to its tokenizer, or take the token out of the tokenizer, its chat template or "
        "the text; `expunge audit` also takes --no-chat",
    )
