"""The dtype that a user names: one to compute in, before anything is read."""

import torch

from policies.errors import ModelError

AUTO = "auto"
NAMES = ("float32", "bfloat16", "float16", "float64")


def check_dtype(dtype: str) -> None:
    """Refuse a dtype that no model computes in.

    Args:
        dtype: "auto", or the name of a torch dtype.

    Raises:
        ModelError: it is none of them.
    """
    if dtype not in (AUTO, *NAMES):
        raise ModelError(f"{dtype} is no dtype to compute in", f"Give auto, {', '.join(NAMES[:3])}")


def read_dtype(dtype: str) -> torch.dtype:
    """Return the dtype of a name that `check_dtype` takes, other than "auto"."""
    named: torch.dtype = getattr(torch, dtype)
    return named
