"""Build labs, erase people from them, and print one table: `python -m examples.labs --grid small`."""

import argparse
import sys

from examples.labs.named import LABS


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m examples.labs", description="Labs in many shapes.")
    parser.add_argument("--lab", action="append", default=[], choices=LABS)
    parser.add_argument("--seed", type=int, action="append", default=[])
    parser.add_argument("--build-only", action="store_true")
    arguments = parser.parse_args()
    import torch

    from examples.labs.building import ensure_lab

    torch.set_num_threads(1)
    for name in arguments.lab:
        for seed in arguments.seed or [1]:
            lab = ensure_lab(LABS[name], seed)
            print(lab.folder, lab.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
