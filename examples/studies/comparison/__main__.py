"""`python -m examples.studies.comparison`: `expunge compare` on the embedded lab, and what it found."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from editor.lab import find_lab
from editor.results.comparison import Comparison, Cost
from examples.studies.comparison.people import other_people
from examples.studies.comparison.readable import in_short, pages
from examples.studies.comparison.tables import overlaps, spent, summary, tests
from examples.studies.tables import write_table

RESULTS = Path(__file__).resolve().parent / "results"
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
    parser.add_argument("--work", type=Path, help="what compare writes  (build/comparison, or build/others)")
    parser.add_argument("--read", action="store_true", help="make the tables of what WORK holds already")
    parser.add_argument(
        "--output", type=Path, help="a folder for tables and figures  (results, or results/others)"
    )
    arguments = parser.parse_args()
    if arguments.arms and not arguments.others and not arguments.output:
        parser.error("some of the arms are not the study: name another folder with --output")
    arguments.work = arguments.work or Path("build", "others" if arguments.others else "comparison")
    arguments.output = arguments.output or (RESULTS / "others" if arguments.others else RESULTS)
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
        arguments: `others`, `seeds`, `trials`, `arms` and `work` of this study's command line.
    """
    lab = find_lab()
    # The lab's request, or as many other people drawn once for all seeds.
    if arguments.others:
        people = [("--subject", name) for name in other_people(lab, arguments.others, seed=0)]
    else:
        people = [("--request", lab.request)]
    inputs = {
        "--corpus": lab.corpus,
        "--policy": lab.policy,
        "--probes": lab.probes,
        "--dictionary": lab.dictionaries("gated"),
    }
    how = {"--seeds": arguments.seeds, "--trials": arguments.trials, "--output": arguments.work}
    if arguments.arms:
        how["--arms"] = arguments.arms
    named = [str(part) for pair in (*inputs.items(), *people, *how.items()) for part in pair]
    return [sys.executable, "-m", "editor.cli", "compare", str(lab.model), *named, "--overwrite", "--resume"]


if __name__ == "__main__":
    sys.exit(main())
