"""The processor, the GPUs, the memory and the disks."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from editor.api.doctor.finding import Finding
from editor.api.planning.disk import LEAST_FREE
from editor.comparing.processes import cores, free_bytes

NVIDIA = Path("/dev/nvidia0")
"""What is there where the system has an NVIDIA GPU and its driver."""
OTHER_BUILD = "Install a PyTorch for this GPU and its driver, as PyTorch's own page says"
LEAST_MEMORY = 2**31
"""Bytes of memory below which even the embedded lab is not erased from comfortably: 2 GiB."""


def check_devices() -> Iterator[Finding]:
    """Say what PyTorch can compute on, after trying it."""
    try:
        import torch
    except Exception as error:  # a library that is missing or of another system has its own errors
        yield Finding(
            area="devices",
            state="bad",
            text=f"PyTorch cannot be imported ({type(error).__name__})",
            remedy="Install it again, as PyTorch's own page says",
        )
        return
    yield Finding(
        area="devices",
        state="good",
        text=f"PyTorch {torch.__version__}: cpu, {cores()} cores for this process",
    )
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _gpu(index)
        return
    if NVIDIA.exists():
        build = "" if torch.version.cuda else ", as it is built for CPUs alone"
        yield Finding(
            area="devices",
            state="bad" if torch.version.cuda else "note",
            text=f"There is an NVIDIA GPU that this PyTorch cannot use{build}",
            remedy=OTHER_BUILD,
        )
    if torch.backends.mps.is_available():
        yield Finding(area="devices", state="good", text="mps")


def _gpu(index: int) -> Finding:
    import torch

    device = f"cuda:{index}"
    try:
        name, memory = torch.cuda.get_device_name(index), torch.cuda.get_device_properties(index).total_memory
        torch.ones(2, device=device).sum().item()
    except Exception as error:  # a driver has its own errors
        return Finding(
            area="devices",
            state="bad",
            text=f"{device} cannot be computed on ({type(error).__name__})",
            remedy=OTHER_BUILD,
        )
    return Finding(area="devices", state="good", text=f"{device}: {name}, {memory / 2**30:,.0f} GiB")


def check_memory(free: int | None = None) -> Iterator[Finding]:
    """Say how much memory can be had.

    Args:
        free: bytes; None to look.
    """
    bytes_free = free_bytes() if free is None else free
    few = bytes_free < LEAST_MEMORY
    yield Finding(
        area="memory",
        state="note" if few else "good",
        text=f"{bytes_free / 2**30:,.1f} GiB are free",
        remedy="Close other programs: an erasure takes about four times the model's weights, and 1 GiB"
        if few
        else "",
    )


def check_disks(places: Mapping[str, Path] | None = None) -> Iterator[Finding]:
    """Say how much room there is where files are written.

    Args:
        places: folder by what it is for; None for the working folder, that of temporary files, and the hub's.
    """
    for what, folder in (_places() if places is None else places).items():
        there = folder
        while not there.exists():
            there = there.parent
        free = shutil.disk_usage(there).free
        writable = os.access(there, os.W_OK)
        good = writable and free >= LEAST_FREE
        yield Finding(
            area="disk",
            state="good" if good else "bad",
            text=f"{what}, {folder}: {free / 2**30:,.1f} GiB free" + ("" if writable else ", not writable"),
            remedy="" if good else "Free some space, or work in a folder that you may write",
        )


def _places() -> dict[str, Path]:
    places = {"working folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    try:
        from huggingface_hub import constants
    except ImportError:  # `check_versions` says so
        return places
    return {**places, "models of the hub": Path(constants.HF_HUB_CACHE)}
