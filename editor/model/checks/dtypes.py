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


def compute_dtype(dtype: str, placement: str, stored: torch.dtype) -> torch.dtype:
    """Return the dtype that was asked for, else float32 on a CPU and the stored one elsewhere."""
    if dtype != AUTO:
        return read_dtype(dtype)
    return torch.float32 if placement == "cpu" else stored


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name as a configuration writes it."""
    return str(dtype).removeprefix("torch.")
