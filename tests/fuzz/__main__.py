"""Many mutated inputs for every reader: `python -m tests.fuzz --count 10000`, and a table of what became of them."""

import argparse
import gc
import math
import os
import sys
import tempfile
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[2]
for name in ("tests/dictionaries/formats", "tests/editor/report", "tests/editor", "tests", ""):
    sys.path.insert(0, str(ROOT / name))
os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error"}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    from fuzz.readers import readers
    from fuzz.trying import Tally, Watch, try_input

    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="inputs, over all readers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="readers whose name holds this")
    parser.add_argument("--number", type=int, help="one input of each, by its number")
    given = parser.parse_args()
    chosen = [reader for reader in readers() if given.only in reader.name]
    each = given.count / sum(reader.weight for reader in chosen)
    watch, failed, total = Watch(), False, 0
    say(f"{'reader':44} inputs   read refused crashes hangs outside slowest  most memory")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        os.chdir(scratch)
        for reader in chosen:
            tally = Tally()
            numbers = range(math.ceil(each * reader.weight)) if given.number is None else [given.number]
            for number in numbers:
                chance = Random(f"{given.seed} {reader.name} {number}")
                try_input(reader, number, Path(scratch, "seeds"), Path(scratch), chance, tally, watch)
                if number % 200 == 199:
                    gc.collect()
            total += tally.inputs
            failed |= not tally.is_clean
            crashes = sum(tally.crashes.values())
            say(
                f"{reader.name:44} {tally.inputs:6} {tally.read:6} {tally.refused:7} {crashes:7} "
                f"{len(tally.hangs):5} {len(tally.outside):7} {tally.slowest_s:5.2f} s {tally.most_mib:8.0f} MiB"
            )
            for name, times in tally.crashes.most_common():
                say(f"    {times} x {name}, such as --only {reader.name!r} --number {tally.examples[name]}")
            for number in tally.hangs[:5]:
                say(f"    hang: --only {reader.name!r} --number {number}")
            for path in dict.fromkeys(tally.outside):
                say(f"    wrote {path}")
        os.chdir(ROOT)
    say(f"{total} inputs over {len(chosen)} readers")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
