"""The model's own forward pass, with the output head applied only where somebody looks."""

import inspect
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch

LOGITS_AT_A_TIME = 2**22
"""Most logits that are computed together where only a figure of each row is kept: 16 MiB in float32."""


@torch.no_grad()
def marked_logits(model: Any, batch: MarkedBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the logits that predict the marked tokens, the output head applied to those positions alone."""
    return traced_logits(model, batch)


def marked_hidden(loaded: LoadedModel, batch: MarkedBatch) -> Float[Tensor, "marked width"]:
    """Return what predicts the marked tokens, for `logit_blocks`: final hidden states, as logits take far more memory.

    Where a model's head cannot be applied by itself, these are its own logits. Where memory runs out, the batch is run
    in halves.
    """
    return in_halves(lambda part: _marked_hidden(loaded, part), batch, torch.cat)


@torch.no_grad()
def _marked_hidden(loaded: LoadedModel, batch: MarkedBatch) -> Float[Tensor, "marked width"]:
    if not loaded.passes.head:
        logits: Tensor = loaded.model(**batch.inputs, use_cache=False).logits
        return logits[batch.predicting]
    hidden: Tensor = backbone(loaded.model)(**batch.inputs, use_cache=False).last_hidden_state
    return hidden[batch.predicting]


def logit_blocks(
    loaded: LoadedModel, hidden: Float[Tensor, "tokens width"]
) -> Iterator[tuple[slice, Float[Tensor, "rows vocabulary"]]]:
    """Yield the logits of some rows at a time, with their place: `LOGITS_AT_A_TIME` at most.

    A block is the caller's to change; it is gone with the next.
    """
    rows = max(1, LOGITS_AT_A_TIME // loaded.vocabulary)
    for start in range(0, len(hidden), rows):
        place = slice(start, min(start + rows, len(hidden)))
        if loaded.passes.head:
            yield place, output_logits(loaded.model, hidden[place])
        else:
            yield place, hidden[place].to(_wide(hidden.dtype), copy=True)


def traced_logits(model: Any, batch: MarkedBatch) -> Float[Tensor, "marked vocabulary"]:
    """Return the same as `marked_logits`, with gradients where they are enabled."""
    hidden = backbone(model)(**batch.inputs, use_cache=False).last_hidden_state
    return output_logits(model, hidden[batch.predicting])


def token_log_p(model: Any, batch: MarkedBatch) -> Float[Tensor, " marked"]:
    """Return ln p of every marked token, in nats, with gradients where they are enabled."""
    return traced_logits(model, batch).log_softmax(1).gather(1, batch.targets[:, None])[:, 0]


def keeping(model: Any, cache: Any) -> dict[str, Any]:
    """Return the keywords by which the model reads and extends a cache of keys and values.

    Newer releases of transformers call the cache `cache`, older ones `past_key_values`. Older ones leave out a
    keyword that they do not know without a word, so the model's own signature is asked.
    """
    parameters = inspect.signature(backbone(model).forward).parameters
    return {"cache" if "cache" in parameters else "past_key_values": cache, "use_cache": True}


def output_logits(model: Any, hidden: Float[Tensor, "tokens width"]) -> Float[Tensor, "tokens vocabulary"]:
    """Apply the output head to final hidden states: the model's own forward, run without its backbone.

    So whatever a family puts before or after the projection, a scale or a soft cap, is its own code. Logits are
    float32, or float64 where the model computes in it.
    """
    own = backbone(model)
    name = next(name for name, part in model.named_children() if part is own)
    model._modules[name] = _Finished(own, hidden[None])
    try:
        logits: Tensor = model.forward(input_ids=hidden.new_zeros(1, len(hidden), dtype=torch.long)).logits[0]
    finally:
        model._modules[name] = own
    return logits.to(_wide(logits.dtype))


def backbone(model: Any) -> Any:
    """Return the part of a causal language model that gives final hidden states."""
    named = model.base_model
    if named is not model:
        return named
    # The name by which transformers asks is missing in some, such as Llama 4.
    return next(part for part in model.children() if hasattr(part, "get_input_embeddings"))


def _wide(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32


class _Finished:
    """What stands in for a backbone whose final hidden states are known: called, it returns them."""

    def __init__(self, backbone: Any, hidden: Float[Tensor, "1 tokens width"]) -> None:
        self._backbone, self._hidden = backbone, hidden

    def __call__(self, *_: Any, **__: Any) -> "_FinalStates":
        return _FinalStates(self._hidden)

    def __getattr__(self, name: str) -> Any:
        # Some heads, such as OPT's, call the decoder inside the backbone.
        return self if name == "decoder" else getattr(self._backbone, name)


class _FinalStates:
    """A backbone's output that holds final hidden states, and None for everything else."""

    def __init__(self, hidden: Float[Tensor, "1 tokens width"]) -> None:
        self.last_hidden_state = hidden

    def __getitem__(self, place: int | slice) -> Any:
        return (self.last_hidden_state,)[place]

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
