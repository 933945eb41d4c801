"""`python -m examples.studies.dictionaries [CLAIM ...]`: the claims measured, with their tables and figures."""

import argparse
import sys
import time
from pathlib import Path

import torch

from examples.studies.dictionaries.claims import CLAIMS
from examples.studies.tables import markdown, write_table

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """Run the claims named on the command line, or all; return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.studies.dictionaries",
        description="Reproduce the dictionary papers' claims on the embedded lab and on planted data.",
    )
    parser.add_argument(
        "claims", nargs="*", metavar="CLAIM", help=f"any of {', '.join(CLAIMS)}; all if none is named"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for tables and figures")
    arguments = parser.parse_args()
    unknown = set(arguments.claims) - set(CLAIMS)
    if unknown:
        parser.error(f"there is no claim {', '.join(sorted(unknown))}; choose from {', '.join(CLAIMS)}")
    # One thread: sums then have one order, and the same seeds give the same tables on one machine.
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.claims or CLAIMS:
        started = time.monotonic()
        for table in CLAIMS[name](arguments.seeds, arguments.output, say):
            write_table(table, arguments.output)
            print(f"\n{table.name}\n\n{markdown(table)}", flush=True)
        say(f"{name} took {time.monotonic() - started:.0f} s")
    return 0


def say(text: str) -> None:
    """Tell what is being done, away from the tables."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
