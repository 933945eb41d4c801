"""`python -m examples.studies.units`: features against neurons, as units that carry single facts."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from editor.comparing.statistics import bootstrapped, holm, sign_flip_p
from editor.results.parts import Rate
from examples.studies.tables import Table, markdown, write_table
from examples.studies.units.claims import drop, named, separations
from examples.studies.units.kinds import AtRandom, Features, Kind, Neurons, Unit
from examples.studies.units.lab import Setting, lab_dictionaries, open_lab

RESULTS = Path(__file__).resolve().parent / "results"
COUNTS = (1, 5, 10)
"""Numbers of units that are removed together."""
FIRST = "Gated features"
"""Kind that the others are compared with."""
Values = dict[tuple[str, str], dict[int, list[float]]]
"""(measure, kind) -> fact -> one value for each seed."""


def main() -> int:
    """Run the study and write its tables; return 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.studies.units", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--facts", type=int, help="the first so many; all where it is left out")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for tables")
    arguments = parser.parse_args()
    # One thread: sums then have one order, and the same seeds give the same tables on one machine.
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    values: Values = defaultdict(lambda: defaultdict(list))
    names: list[tuple[str | int | float, ...]] = []
    for seed in arguments.seeds:
        setting = open_lab(seed, arguments.facts)
        kinds = kinds_of(setting)
        located = {kind.name: locate(kind, setting) for kind in kinds}
        # A control for each kind, which must not draw what was located.
        for kind in tuple(kinds):
            true = {fact.number: own for fact, own in zip(setting.facts, located[kind.name], strict=True)}
            control = AtRandom(like=kind, seed=seed, true=true)
            located[control.name] = locate(control, setting)
            kinds.append(control)
        for kind in kinds:
            measure(values, setting, kind, located[kind.name])
        # Naming takes a pass over the whole text, so it is done once.
        if seed == arguments.seeds[0]:
            names = named_rows(setting, kinds, located)
    tables = (
        summary(values),
        tests(values),
        Table("named", ("kind", "units", "enough passages", "named", "share", "low", "high"), names),
    )
    for table in tables:
        write_table(table, arguments.output)
        print(f"\n{table.name}\n\n{markdown(table)}", flush=True)
    return 0


def kinds_of(setting: Setting) -> list[Kind]:
    """Return features of both architectures, and neurons."""
    return [
        Features(name=FIRST, loaded=setting.loaded, dictionaries=lab_dictionaries("gated", setting.loaded)),
        Features(
            name="BAE features",
            loaded=setting.loaded,
            dictionaries=lab_dictionaries("binary", setting.loaded),
        ),
        Neurons(name="neurons", loaded=setting.loaded),
    ]


def locate(kind: Kind, setting: Setting) -> list[list[Unit]]:
    """Return, for each fact, the units that carry it most, best first."""
    say(f"locating {kind.name}")
    return [kind.located(fact, max(COUNTS)) for fact in setting.facts]


def measure(values: Values, setting: Setting, kind: Kind, located: Sequence[Sequence[Unit]]) -> None:
    """Add one kind's figures of one seed.

    Args:
        values: figures so far, added to in place.
        setting: the lab as the study sees it.
        kind: kind of unit.
        located: units of each fact, best first.
    """
    say(f"measuring {kind.name}")
    for fact, units in zip(setting.facts, located, strict=True):
        for count in COUNTS:
            own = drop(setting.loaded, kind, units[:count], fact.held_out)
            others = drop(setting.loaded, kind, units[:count], fact.others)
            values[f"drop, {count} removed", kind.name][fact.number].append(own)
            values[f"others' drop, {count} removed", kind.name][fact.number].append(others)
    told = separations(kind, located, setting.facts)
    for fact, rows in zip(setting.facts, told, strict=True):
        if rows:
            values["AUC", kind.name][fact.number].append(float(np.mean([row[0] for row in rows])))
            values["AUC of the first", kind.name][fact.number].append(rows[0][0])
            values["Cohen's d", kind.name][fact.number].append(float(np.mean([row[1] for row in rows])))


def named_rows(
    setting: Setting, kinds: Sequence[Kind], located: Mapping[str, Sequence[Sequence[Unit]]]
) -> list[tuple[str | int | float, ...]]:
    """Return a row of ComSem for each kind, over all of its located units, and one for random passages.

    Shares have 95% Clopper-Pearson intervals. Units without enough passages are not judged.
    """
    say("naming units")
    units = [[unit for own in located[kind.name] for unit in own] for kind in kinds]
    found = named(setting, kinds, units)
    rows: list[tuple[str | int | float, ...]] = []
    for kind in kinds:
        own = [one for one in found if one.architecture == kind.name]
        judged = sum(len(one.judged) - one.rare for one in own)
        hits = sum(one.interpretable for one in own)
        total = sum(len(one.judged) for one in own)
        share = Rate(hits=hits, total=judged)
        rows.append((kind.name, total, judged, hits, share.rate, share.low, share.high))
    # The controls are the same random passages in each result, so the first result's are enough.
    passed = sum(one.controls_passed for one in found[:1])
    rows.append(
        ("random passages", found[0].controls, found[0].controls, passed, passed / found[0].controls, "", "")
    )
    return rows


def summary(values: Values) -> Table:
    """Return means over facts, seeds averaged, with bootstrap intervals over facts."""
    rows = []
    for (what, kind), by_fact in values.items():
        interval = bootstrapped([float(np.mean(own)) for own in by_fact.values()])
        rows.append((what, kind, len(by_fact), interval.mean, interval.low, interval.high))
    rows.sort(key=lambda row: row[0])
    return Table("measured", ("measure", "kind", "facts", "mean", "low", "high"), rows)


def tests(values: Values) -> Table:
    """Return Gated features less each other kind, by fact, with Holm's correction within each measure."""
    rows: list[tuple[str | int | float, ...]] = []
    for what in sorted({what for what, _ in values}):
        pairs = list(_pairs(values, what))
        corrected = holm([sign_flip_p(differences) for _, differences in pairs])
        for (kind, differences), p in zip(pairs, corrected, strict=True):
            interval = bootstrapped(differences)
            rows.append((what, kind, interval.mean, interval.low, interval.high, p))
    return Table("tests", ("measure", f"{FIRST} less", "difference", "low", "high", "p (Holm)"), rows)


def _pairs(values: Values, what: str) -> Iterator[tuple[str, list[float]]]:
    """Yield, for each other kind, the differences of one measure over the facts that both kinds have."""
    first = values[what, FIRST]
    for (measured, kind), by_fact in list(values.items()):
        if measured == what and kind != FIRST:
            both = [fact for fact in first if fact in by_fact]
            yield kind, [float(np.mean(first[fact]) - np.mean(by_fact[fact])) for fact in both]


def say(text: str) -> None:
    """Tell what is being done, away from the tables."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
