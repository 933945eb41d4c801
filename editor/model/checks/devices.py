"""The device that a user names: known and there, before anything is read."""

import torch

from policies.errors import ModelError

AUTO = "auto"


def check_device(device: str) -> None:
    """Refuse a device that torch does not know, or that this machine has not.

    Args:
        device: "auto", or a torch device such as "cpu" or "cuda:1".

    Raises:
        ModelError: the device is unknown, or is not here.
    """
    if device == AUTO:
        return
    try:
        named = torch.device(device)
    except RuntimeError:
        raise ModelError(
            f"--device {device} is no device", "Give auto, cpu, cuda, or one GPU as in cuda:1"
        ) from None
    if named.type == "cpu":
        return
    if named.type == "cuda":
        _check_cuda(device, named)
        return
    if named.type == "mps" and torch.backends.mps.is_available():
        return
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None or accelerator.type != named.type:
        raise ModelError(
            f"--device {device}: this machine has no such device that torch can use",
            "Give auto, cpu, cuda, or one GPU as in cuda:1",
        )


def _check_cuda(device: str, named: torch.device) -> None:
    if not torch.cuda.is_available():
        build = "" if torch.version.cuda or torch.version.hip else "; this PyTorch is built for CPUs alone"
        raise ModelError(
            f"--device {device}: there is no GPU that torch can use{build}",
            "Give --device cpu, or install a PyTorch and a driver for the GPU",
        )
    count = torch.cuda.device_count()
    if named.index is not None and named.index >= count:
        raise ModelError(
            f"--device {device}: there are {count} GPUs, counted from 0", f"Give cuda:{count - 1} at most"
        )
