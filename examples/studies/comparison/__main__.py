"""`python -m examples.studies.comparison`: `expunge compare` on the embedded lab or on another, and what it found."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from editor.lab import find_lab
from editor.results.comparison import Comparison, Cost
from examples.labs.named import LABS
from examples.studies.comparison.people import other_people
from examples.studies.comparison.readable import in_short, pages
from examples.studies.comparison.tables import overlaps, spent, summary, tests
from examples.studies.tables import write_table

Option = tuple[str, object]
"""An option of `compare` and its value."""
Given = tuple[Path, list[Option]]
"""A model's folder and the options that go with it."""

RESULTS = Path(__file__).resolve().parent / "results"
UNSEEN_ARMS = (
    "feature-edit",
    "neuron-kn",
    "neuron-depn",
    "circuit-mlp",
    "memit",
    "random-features",
    "random-circuit",
)
"""Arms on a lab that nothing was developed on: of each kind the best on the embedded lab."""
# Figures of `expunge compare` that the study keeps.
FIGURES = ("comparison_pareto", "comparison_forest", "comparison_modules")


def main() -> int:
    """Run the comparison, or read one, and write its tables; return 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.studies.comparison", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--trials", type=int, default=3, metavar="N")
    parser.add_argument("--arms", help="a part of the arms, with commas between")
    parser.add_argument(
        "--others", type=int, default=0, metavar="N", help="draw so many people instead of the request's five"
    )
    parser.add_argument(
        "--lab", choices=LABS, metavar="NAME", help="a lab of examples/labs, as a new user has it"
    )
    parser.add_argument(
        "--work", type=Path, help="what compare writes  (build/comparison, build/others or NAME)"
    )
    parser.add_argument("--read", action="store_true", help="make the tables of what WORK holds already")
    parser.add_argument(
        "--output", type=Path, help="a folder for tables and figures  (results, results/others or NAME)"
    )
    arguments = parser.parse_args()
    if arguments.lab and arguments.others:
        parser.error("--others draws people of the embedded lab: leave out --lab, or --others")
    part = arguments.lab or ("others" if arguments.others else "")
    if arguments.arms and not part and not arguments.output:
        parser.error("some of the arms are not the study: name another folder with --output")
    arguments.work = arguments.work or Path("build", part or "comparison")
    arguments.output = arguments.output or RESULTS / part
    if not arguments.read:
        subprocess.run(command(arguments), check=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    comparison = Comparison.from_json((arguments.work / "comparison.json").read_text(encoding="utf-8"))
    costs = [Cost(**row) for row in json.loads((arguments.work / "costs.json").read_text(encoding="utf-8"))]
    for table in (summary(comparison), tests(comparison), overlaps(comparison), spent(costs)):
        write_table(table, arguments.output)
    for name in FIGURES:
        shutil.copy(arguments.work / f"{name}.svg", arguments.output)
    for title, page in pages(arguments.output):
        print(f"\n{title}\n\n{page}")
    print(f"\nin short\n\n{in_short(arguments.output)}")
    print(comparison.verdict)
    return 0


def command(arguments: argparse.Namespace) -> list[str]:
    """Return the command line of `compare`, which resumes where it was stopped.

    Args:
        arguments: `lab`, `others`, `seeds`, `trials`, `arms` and `work` of this study's command line.
    """
    model, inputs = of_lab(arguments.lab) if arguments.lab else of_embedded_lab(arguments.others)
    arms = arguments.arms or (",".join(UNSEEN_ARMS) if arguments.lab else None)
    how = [("--seeds", arguments.seeds), ("--trials", arguments.trials), ("--output", arguments.work)]
    how += [("--arms", arms)] if arms else []
    named = [str(part) for pair in (*inputs, *how) for part in pair]
    return [sys.executable, "-m", "editor.cli", "compare", str(model), *named, "--overwrite", "--resume"]


def of_embedded_lab(others: int) -> Given:
    """Return the embedded lab's model and what is given with it.

    Args:
        others: number of other people who ask, drawn once for all seeds; 0 for the lab's request.
    """
    lab = find_lab()
    people: list[Option] = [("--request", lab.request)]
    if others:
        people = [("--subject", name) for name in other_people(lab, others, seed=0)]
    return lab.model, [
        ("--corpus", lab.corpus),
        ("--policy", lab.policy),
        ("--probes", lab.probes),
        ("--dictionary", lab.dictionaries("gated")),
        *people,
    ]


def of_lab(name: str) -> Given:
    """Return the model of a lab in another shape and what a new user gives with it; it is built where it is missing."""
    # Here, because --help needs no torch.
    from examples.labs.building import POLICY, ensure_apart

    lab = ensure_apart(LABS[name], 1)
    people = [("--subject", person) for person in lab.erased]
    return lab.model, [("--corpus", lab.corpus), ("--policy", POLICY), *people]


if __name__ == "__main__":
    sys.exit(main())
