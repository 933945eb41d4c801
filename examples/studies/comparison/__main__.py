"""`python -m examples.studies.comparison`: runs `expunge compare` on the embedded lab and keeps what it found."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from editor.comparing.schema import Comparison, Cost, Interval
from editor.lab import find_lab
from examples.studies.tables import Table, markdown, write_table

RESULTS = Path(__file__).resolve().parent / "results"
FIGURES = ("comparison_pareto", "comparison_forest", "comparison_modules")
MEASURES = (
    "rel",
    "gen",
    "loc",
    "exposed",
    "extractable",
    "same_subject",
    "perplexity_rise",
    "four_bit",
    "relearned",
)


def main() -> int:
    """Run the comparison, or read one, and write its tables."""
    parser = argparse.ArgumentParser(prog="python -m examples.studies.comparison", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--trials", type=int, default=3, metavar="N")
    parser.add_argument("--work", type=Path, default=Path("build/comparison"), help="what compare writes")
    parser.add_argument("--read", action="store_true", help="make the tables of what WORK holds already")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for tables and figures")
    arguments = parser.parse_args()
    if not arguments.read:
        subprocess.run(command(arguments), check=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    comparison = Comparison.from_json((arguments.work / "comparison.json").read_text(encoding="utf-8"))
    costs = [Cost(**row) for row in json.loads((arguments.work / "costs.json").read_text(encoding="utf-8"))]
    for table in (summary(comparison), tests(comparison), overlaps(comparison), spent(costs)):
        write_table(table, arguments.output)
        print(f"\n{table.name}\n\n{markdown(table)}")
    for name in FIGURES:
        shutil.copy(arguments.work / f"{name}.svg", arguments.output)
    print(comparison.verdict)
    return 0


def command(arguments: argparse.Namespace) -> list[str]:
    """The command line of `compare`, which goes on where it was stopped."""
    lab = find_lab()
    inputs = {
        "--corpus": lab.corpus,
        "--policy": lab.policy,
        "--request": lab.request,
        "--probes": lab.probes,
        "--dictionary": lab.dictionaries("gated"),
    }
    how = {"--seeds": arguments.seeds, "--trials": arguments.trials, "--output": arguments.work}
    named = [str(part) for pair in {**inputs, **how}.items() for part in pair]
    return [sys.executable, "-m", "editor.cli", "compare", str(lab.model), *named, "--overwrite", "--resume"]


def summary(comparison: Comparison) -> Table:
    """Every arm at every operating point."""
    rows = []
    for row in comparison.summary:
        measured = [_interval(getattr(row, name)) for name in MEASURES]
        rows.append(
            (
                row.point,
                row.arm,
                row.family,
                row.seeds,
                *[value for one in measured for value in one],
                row.bits,
                row.norm,
                row.collateral,
                row.meets_policy,
            )
        )
    if comparison.original:
        rows.insert(0, _before(comparison))
    columns = [f"{name}{end}" for name in MEASURES for end in ("", " low", " high")]
    ends = ("bits", "norm", "collateral", "policy met")
    return Table("summary", ("point", "arm", "family", "seeds", *columns, *ends), rows)


def _before(comparison: Comparison) -> tuple[str | int | float, ...]:
    """The original model, as an arm that changes nothing."""
    facts = comparison.original
    measured = {
        name: sum(getattr(fact, name) for fact in facts) / len(facts)
        for name in ("rel", "gen", "exposed", "extractable")
    }
    empty = [value for name in MEASURES for value in (measured.get(name, ""), "", "")]
    return ("none", "no edit", "", 1, *empty, median(fact.bits for fact in facts), 0.0, 0.0, "")


def _interval(one: Interval | None) -> tuple[float | str, float | str, float | str]:
    return (one.mean, one.low, one.high) if one is not None else ("", "", "")


def tests(comparison: Comparison) -> Table:
    """The reference against each arm, by fact."""
    rows = [
        (
            test.point,
            test.measure,
            test.arm,
            test.difference.mean,
            test.difference.low,
            test.difference.high,
            test.p,
            test.p_holm,
        )
        for test in comparison.tests
    ]
    return Table("tests", ("point", "measure", "against", "difference", "low", "high", "p", "p (Holm)"), rows)


def overlaps(comparison: Comparison) -> Table:
    """How much the arms changed the same neurons."""
    rows = [(one.first, one.second, one.jaccard) for one in comparison.overlaps]
    return Table("overlaps", ("arm", "arm", "jaccard"), rows)


def spent(costs: list[Cost]) -> Table:
    """What each arm took, a mean over seeds."""
    rows = []
    for arm in dict.fromkeys(cost.arm for cost in costs):
        own = [cost for cost in costs if cost.arm == arm]

        def mean(name: str, own: list[Cost] = own) -> float:
            return sum(getattr(cost, name) for cost in own) / len(own)

        rows.append(
            (
                arm,
                *(mean(name) for name in ("locating_s", "tuning_s", "fitting_s", "measuring_s", "peak_mib")),
            )
        )
    return Table("costs", ("arm", "locating, s", "tuning, s", "one fit, s", "measuring, s", "peak MiB"), rows)


if __name__ == "__main__":
    sys.exit(main())
