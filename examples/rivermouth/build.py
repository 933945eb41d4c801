"""Build of the embedded lab from one seed: `python -m examples.rivermouth.build [STAGE ...]`.

Stages: data, model, reference, gated, bae, figures. Without any named, all of them, two at a time where they do not
need each other. Each runs in a process of its own on one thread: that makes the result the same on every run on one
machine, and two such processes use two cores better than one process with two threads.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Stages of one round do not need each other; each round needs those before it.
ROUNDS = (("data",), ("model", "reference"), ("gated", "bae"), ("figures",))
NAMES = tuple(name for stages in ROUNDS for name in stages)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # glibc gives large blocks back to the system after each step of training; keeping them halves the time.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}


def main() -> int:
    """Run the stages named on the command line, or all; return 1 where one fails."""
    parser = argparse.ArgumentParser(description="Build the embedded lab from its seed.")
    parser.add_argument(
        "stages", nargs="*", metavar="STAGE", help=f"any of {', '.join(NAMES)}; all if none is named"
    )
    # How `run_together` calls this module again, in the process of one stage.
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        run_stage(arguments.inside)
        return 0
    unknown = set(arguments.stages) - set(NAMES)
    if unknown:
        parser.error(f"there is no stage {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    started = time.monotonic()
    for stages in ROUNDS:
        chosen = [name for name in stages if not arguments.stages or name in arguments.stages]
        if not run_together(chosen):
            return 1
    print(f"the lab took {time.monotonic() - started:.0f} s")
    return 0


def run_stage(name: str) -> None:
    """Run one stage in this process.

    Args:
        name: one of `NAMES`.
    """
    # Here, because the process that only starts others needs neither.
    import torch

    from examples.rivermouth.stages import STAGES

    torch.set_num_threads(1)
    started = time.monotonic()
    STAGES[name]()
    print(f"{name} took {time.monotonic() - started:.0f} s", flush=True)


def run_together(names: Sequence[str]) -> bool:
    """Run stages side by side, each in its own process; return whether all of them ended well."""
    command = [sys.executable, "-m", "examples.rivermouth.build", "--inside"]
    environment = os.environ | ENVIRONMENT
    processes = [subprocess.Popen([*command, name], env=environment, cwd=ROOT) for name in names]
    codes = [process.wait() for process in processes]
    return not any(codes)


if __name__ == "__main__":
    sys.exit(main())
