"""Peak memory of this process."""

from pathlib import Path


def peak_mib() -> int:
    """The most memory that was resident since the program began, in MiB (Linux).

    `getrusage` would give the parent's peak where that was higher: it is inherited through fork and exec.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024
