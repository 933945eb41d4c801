"""The model's own forward pass, with the output head applied only where somebody looks."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from editor.model.tokens import MarkedBatch

LOGITS_AT_A_TIME = 2**22
"""Most logits that are computed together where only a figure of each row is kept: 16 MiB in float32."""


@torch.no_grad()
def marked_logits(model: Any, batch: MarkedBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the logits that predict the marked tokens, the output head applied to those positions alone."""
    return traced_logits(model, batch)


@torch.no_grad()
def marked_hidden(model: Any, batch: MarkedBatch) -> Float[Tensor, "marked width"]:
    """Return the final hidden states that predict the marked tokens: a vocabulary takes far more memory."""
    hidden: Tensor = model.base_model(**batch.inputs, use_cache=False).last_hidden_state
    return hidden[batch.predicting]


def logit_blocks(
    model: Any, hidden: Float[Tensor, "tokens width"]
) -> Iterator[tuple[slice, Float[Tensor, "rows vocabulary"]]]:
    """Yield the logits of some rows at a time, with their place: `LOGITS_AT_A_TIME` at most.

    A block is the caller's to change; it is gone with the next.
    """
    rows = max(1, LOGITS_AT_A_TIME // int(model.config.vocab_size))
    for start in range(0, len(hidden), rows):
        place = slice(start, min(start + rows, len(hidden)))
        yield place, output_logits(model, hidden[place])


def traced_logits(model: Any, batch: MarkedBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the same as `marked_logits`, with gradients where they are enabled."""
    hidden = model.base_model(**batch.inputs, use_cache=False).last_hidden_state
    return output_logits(model, hidden[batch.predicting])


def token_log_p(model: Any, batch: MarkedBatch) -> Float[Tensor, " marked"]:
    """Return ln p of every marked token, in nats, with gradients where they are enabled."""
    return traced_logits(model, batch).log_softmax(1).gather(1, batch.targets[:, None])[:, 0]


def keeping(model: Any, cache: Any) -> dict[str, Any]:
    """Return the keywords by which the model reads and extends a cache of keys and values.

    Newer releases of transformers call the cache `cache`, older ones `past_key_values`. Older ones leave out a
    keyword that they do not know without a word, so the model's own signature is asked.
    """
    parameters = inspect.signature(model.base_model.forward).parameters
    return {"cache" if "cache" in parameters else "past_key_values": cache, "use_cache": True}


def output_logits(model: Any, hidden: Float[Tensor, "tokens width"]) -> Float[Tensor, "tokens vocabulary"]:
    """Apply the output head to final hidden states: projection, then the family's scaling or soft cap.

    Logits are float32, or float64 where the model computes in it.
    """
    logits: Tensor = model.get_output_embeddings()(hidden)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    config = model.config
    if scale := getattr(config, "logit_scale", None):
        logits = logits * scale
    if scaling := getattr(config, "logits_scaling", None):
        logits = logits / scaling
    if cap := getattr(config, "final_logit_softcapping", None):
        logits = torch.tanh(logits / cap) * cap
    return logits
