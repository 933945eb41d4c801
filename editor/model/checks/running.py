"""One token through a model: a configuration may be read, and still describe nothing that computes."""

from typing import Any

import torch

from editor.model.placement import input_device
from policies.errors import ModelError
from policies.faults import find_fault


@torch.no_grad()
def check_runs(model: Any, source: str) -> None:
    """Refuse a model that cannot give the logits of a single token.

    Args:
        model: the model, loaded.
        source: the path or hub name of its weights.

    Raises:
        ModelError: it fails on it, or gives logits of another size than its vocabulary.
    """
    device = input_device(model)
    try:
        logits = model.eval()(
            input_ids=torch.zeros((1, 1), dtype=torch.long, device=device), use_cache=False
        ).logits
    except Exception as error:  # each architecture fails in its own way on a configuration that cannot be
        fault = find_fault(error)
        if fault is not None:
            raise ModelError(f"{fault.cause} while {source} was tried", fault.remedy) from error
        raise ModelError(
            f"The model {source} does not compute as its config.json describes it ({type(error).__name__})",
            "Check the numbers in config.json, or fetch the checkpoint's own",
        ) from error
    if logits.dim() != 3 or logits.shape[:2] != (1, 1):
        raise ModelError(
            f"The model {source} gives no logits of a next token", "Name a causal language model"
        )
