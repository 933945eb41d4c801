"""A model as its configuration describes it: its modules and their shapes, and no weights."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from dictionaries.model.experts import separate_experts
from editor.model.checks.refusals import read_config, weights_refusal
from editor.model.loading import LoadedModel, attention, quiet


class UnloadedModel(LoadedModel):
    """A model without weights: whatever counts tokens, batches and parameters takes it for one that was loaded."""

    @property
    def device(self) -> torch.device:
        """Device of token batches: they are counted, and never run."""
        return torch.device("cpu")


def empty_model(folder: Path) -> nn.Module:
    """Return the model that a checkpoint's configuration describes, without weights.

    Raises:
        ModelError: the configuration is none of a causal language model, or needs Python code of its own.
    """
    return model_without_weights(read_config(str(folder), trust_remote_code=False), str(folder))


def model_without_weights(
    config: Any, source: str, *, dtype: torch.dtype | None = None, trust_remote_code: bool = False
) -> nn.Module:
    """Return the model that a configuration describes, without weights.

    Args:
        config: the configuration.
        source: name of the model, for what is refused.
        dtype: dtype of its parameters; None for the configuration's.
        trust_remote_code: whether Python code that comes with the model may run.

    Raises:
        ModelError: transformers makes none of it, or it needs Python code of its own.
    """
    from transformers import AutoModelForCausalLM

    named = {} if dtype is None else {"dtype": dtype}
    try:
        with quiet(), torch.device("meta"):
            model: nn.Module = AutoModelForCausalLM.from_config(
                config, trust_remote_code=trust_remote_code, **named, **attention(config)
            )
    except Exception as error:
        raise weights_refusal(source, error) from error
    separate_experts(model)
    return model
