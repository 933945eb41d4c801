"""Where a model lies: on one device, or spread by accelerate over GPUs, memory and disk, and what can be done then."""

import re
import shutil
import weakref
from tempfile import mkdtemp
from typing import Any

import torch

from editor.processes import group
from policies.errors import ModelError

_PART = re.compile(r"(\d+|cpu)=(\d+(?:\.\d+)?\s*[KMGT]i?B)", re.IGNORECASE)


def device_of(device: str) -> str:
    """Return the device of a model: of several processes each has its own."""
    own = group().device
    if own is not None:
        return str(own)
    if device != "auto":
        return device
    return "auto" if torch.cuda.is_available() else "cpu"


def parse_max_memory(text: str) -> dict[int | str, str]:
    """Read the most memory of each device, such as `0=20GiB,cpu=60GiB`; what does not fit is left on the disk.

    Raises:
        ModelError: it cannot be read.
    """
    found: dict[int | str, str] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise ModelError(
                f"The part {part.strip()!r} of --max-memory is no device with its memory",
                "Give such as 0=20GiB,cpu=60GiB: numbers of GPUs, or cpu",
            )
        device, memory = match.groups()
        found[int(device) if device.isdigit() else "cpu"] = memory.replace(" ", "")
    return found


def check_max_memory(text: str) -> None:
    """Refuse memory that cannot be read, or that is of a GPU that is not here.

    Raises:
        ModelError: it is refused.
    """
    count = torch.cuda.device_count()
    missing = [device for device in parse_max_memory(text) if isinstance(device, int) and device >= count]
    if missing:
        there = (
            f"there are {count} that torch can use, counted from 0" if count else "torch can use none here"
        )
        raise ModelError(
            f"--max-memory names GPU {missing[0]}, and {there}",
            "Name those that are here, or cpu alone, as in cpu=60GiB",
        )


def offload_keywords(max_memory: str | None) -> dict[str, Any]:
    """Return the keywords by which transformers spreads a model, with a folder for what is left on the disk.

    Raises:
        ModelError: the memory cannot be read.
    """
    spread = {} if max_memory is None else {"max_memory": parse_max_memory(max_memory)}
    return {"offload_folder": mkdtemp(prefix="expunge-offload-"), **spread}


def remove_with(model: Any, folder: str) -> None:
    """Remove a folder when a model is gone."""
    weakref.finalize(model, shutil.rmtree, folder, ignore_errors=True)


def input_device(model: Any) -> torch.device:
    """Return the device of a model's inputs: that of the input embeddings, or where these are run."""
    embeddings = model.get_input_embeddings()
    device: torch.device = embeddings.weight.device
    if device.type != "meta":
        return device
    runs_on = getattr(getattr(embeddings, "_hf_hook", None), "execution_device", None)
    if runs_on is None:
        return torch.device("cpu")
    return torch.device("cuda", runs_on) if isinstance(runs_on, int) else torch.device(runs_on)


def check_all_here(model: Any, source: str) -> None:
    """Refuse to look into or edit weights that are not in the memory of a device.

    Raises:
        ModelError: some are read from memory or disk whenever they are run.
    """
    away = [name for name, weight in model.named_parameters() if weight.device.type == "meta"]
    if away:
        raise ModelError(
            f"{source} does not fit into the memory of its devices: {len(away)} of its weights, such as {away[0]}, "
            "are brought there whenever they are run, and can be audited, but not edited",
            "Audit it, or give --device cpu on a machine whose memory holds it, or a smaller --dtype",
        )
