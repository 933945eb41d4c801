"""What a plan takes the machine for: its speed, its memory and its disk."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from editor.api.planning.basis import speeds
from editor.api.planning.disk import free_disk
from editor.api.planning.shape import Shape
from editor.api.planning.speed import Speed
from editor.comparing.processes import free_bytes


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a plan takes the machine for.

    Attributes:
        speed: speed in the precision of computing.
        quick: the same in the precision of gradients.
        libraries: bytes that the process holds without a model.
        free: bytes of memory that are free.
        free_disk: bytes of disk that are free.
    """

    speed: Speed
    quick: Speed
    libraries: int
    free: int
    free_disk: int

    @classmethod
    def here(cls, shape: Shape, device: torch.device) -> "Machine":
        """Measure this machine: about a second."""
        speed, quick = speeds(shape, device)
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_bytes()
        return cls(
            speed=speed,
            quick=quick,
            libraries=0 if device.type == "cuda" else resident_bytes(),
            free=free,
            free_disk=free_disk(Path.cwd()),
        )


def resident_bytes() -> int:
    """Return the bytes of memory that this process holds now; 512 MiB where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 2**29
    return pages * os.sysconf("SC_PAGE_SIZE")
