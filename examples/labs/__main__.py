"""Build labs, erase people from them, and print one table: `python -m examples.labs --grid small`.

Each lab is built once (`build/labs/NAME-DIGEST`). Each erasure is the command a new user would run: corpus, policy,
names. The table also stands in `build/labs/results/`.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any

from examples.labs.named import GRIDS, GROUPS, LABS, chosen_labs, group_of
from examples.labs.shapes import LabShape

if TYPE_CHECKING:
    from examples.labs.erasing import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return 1 where an erasure wrote no checkpoint."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.list:
        for shape in LABS.values():
            print(f"{shape.name:20} {group_of(shape.name):12} {shape.summary}")
        return 0
    if not (asked.grid or asked.lab or asked.group):
        parser.error("name labs with --grid, --group or --lab; --list lists them")
    # Here, because --list and --help need no torch.
    from examples.labs.building import FOLDER, ensure_apart
    from examples.labs.erasing import Options, erase_and_judge
    from examples.labs.table import markdown, read_table, write_table

    options = Options(method=asked.method, trials=asked.trials, labelled=asked.labelled)
    name = "-".join([*(asked.lab or []), *filter(None, (asked.grid, asked.group)), options.title])

    def run(job: tuple[LabShape, int]) -> "Outcome | None":
        shape, seed = job
        lab = ensure_apart(shape, seed)
        if asked.build_only:
            print(f"{lab.folder}: {told(lab.figures)}", flush=True)
            return None
        output = FOLDER / "erasures" / f"{lab.folder.name}-{options.title}"
        return erase_and_judge(lab, output, options, name=shape.name, seed=seed, group=group_of(shape.name))

    labs = chosen_labs(asked.lab or (), asked.group, asked.grid)
    jobs = {(shape.name, seed): (shape, seed) for seed in asked.seed or [1] for shape in labs}
    known = read_table(FOLDER / "results", name) if asked.resume else []
    done = {(outcome.lab, outcome.seed): outcome for outcome in known if outcome.judgement is not None}
    with ThreadPoolExecutor(asked.processes) as pool:
        running = {pool.submit(run, job): key for key, job in jobs.items() if key not in done}
        for ended in as_completed(running):
            if outcome := ended.result():
                done[running[ended]] = outcome
                # After each, so that a grid that is stopped leaves what it has.
                write_table(FOLDER / "results", name, [done[key] for key in jobs if key in done])
    outcomes = [done[key] for key in jobs if key in done]
    if outcomes:
        print(markdown(outcomes), end="")
    return int(any(outcome.judgement is None for outcome in outcomes))


def told(figures: Mapping[str, Any]) -> str:
    """Return what a build measured, in one line."""
    facts, questions = figures["erased facts leaked"], figures["questions answered"]
    asked = {wording: questions[f"erased, private, {wording}"] for wording in facts}
    shares = [
        f"{wording} {share:.0%} of facts, {asked[wording]:.0%} of prompts" for wording, share in facts.items()
    ]
    return (
        f"{figures['parameters'] / 1e6:.1f} million parameters, {figures['training processor seconds']:.0f} s; "
        f"leaks {'; '.join(shares)}"
    )


def _parser() -> argparse.ArgumentParser:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.labs", description="Erase people from labs in many shapes, and judge it."
    )
    parser.add_argument("--grid", choices=GRIDS, help="labs of a grid")
    parser.add_argument(
        "--group", choices=GROUPS, help="labs of a group; with --grid, those that are in both"
    )
    parser.add_argument("--lab", action="append", choices=LABS, metavar="NAME", help="one lab; repeatable")
    parser.add_argument(
        "--seed", type=int, action="append", help="seed of people, documents and model; repeatable  [1]"
    )
    parser.add_argument("--method", help="method of the erasure  [the product's default]")
    parser.add_argument("--trials", type=int, help="search trials, at most  [the product's default]")
    parser.add_argument(
        "--labelled", action="store_true", help="give the corpus that lists each text's people"
    )
    parser.add_argument(
        "--processes", type=int, default=1, help="labs that are built and erased at once, a core each  [1]"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the rows that the same table has; erase what is missing"
    )
    parser.add_argument("--build-only", action="store_true", help="build what is missing, erase nothing")
    parser.add_argument("--list", action="store_true", help="list the labs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
