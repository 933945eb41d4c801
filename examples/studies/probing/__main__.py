"""`python -m examples.studies.probing`: sparse probes by category, k, layer and model size."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from editor.case import Case, CaseFiles, open_case
from editor.lab import find_lab
from editor.locators.neurons import neuron_sites
from editor.locators.probe_data import read_neurons
from editor.locators.sparse_probing import ProbeStudy, SparseProbing
from examples.studies.probing.categories import CATEGORIES
from examples.studies.probing.models import EMBEDDED_WIDTH, check_width, model_of_width
from examples.studies.tables import Table, markdown, write_table
from policies import load_policy, load_request
from policies.errors import ModelError

RESULTS = Path(__file__).resolve().parent / "results"
SIZES = (64, 32, 16, 8, 4, 2, 1)
"""k, the numbers of neurons that a probe may have."""
EXACT_AMONG = 20
"""Number of best neurons of which every set is tried for k ≤ 3."""
ENOUGH = 0.95
"""Share of the best F1 that the fewest neurons must reach."""
Row = tuple[str | int | float, ...]


def main() -> int:
    """Run the study and write its tables; return 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.studies.probing", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    parser.add_argument("--widths", nargs="+", type=int, default=[96, EMBEDDED_WIDTH], metavar="N")
    parser.add_argument("--work", type=Path, default=Path("build/probing"), help="for models it trains")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for tables")
    arguments = parser.parse_args()
    try:
        for width in arguments.widths:
            check_width(width)
    except ModelError as error:
        parser.error(str(error))
    # One thread: sums then have one order, and the same seeds give the same tables on one machine.
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    lab = find_lab()
    files = CaseFiles(corpus=lab.corpus, probes=lab.probes)
    case = open_case(files, load_policy(str(lab.policy)), load_request(lab.request), seed=0)
    # Validation F1 by layer and k, and what was chosen by it, on the test split.
    sweep: list[Row] = []
    chosen: list[Row] = []
    for width in arguments.widths:
        for seed, name, study in studies(case, width, arguments.seeds, arguments.work):
            sweep += [
                (width, name, seed, row.site.layer, row.k, int(row.exact), row.validation.f1)
                for row in study.rows
            ]
            chosen.append(chosen_row(width, name, seed, study))
    for table in (
        Table("sweep", ("width", "category", "seed", "layer", "k", "exact", "F1, validation"), sweep),
        Table("chosen", CHOSEN, chosen),
        summary(sweep, chosen),
    ):
        write_table(table, arguments.output)
    print(markdown(summary(sweep, chosen)))
    return 0


CHOSEN = (
    "width",
    "category",
    "seed",
    "layer",
    "k",
    "F1",
    "MCC",
    "precision",
    "recall",
    "F1, random basis",
    "F1, random neurons",
    "samples",
    "positives",
)


def studies(
    case: Case, width: int, seeds: Sequence[int], work: Path
) -> Iterator[tuple[int, str, ProbeStudy]]:
    """Yield seed, category and probes of every category with every seed on one model.

    Activations of a category are read once for all seeds.

    Args:
        case: the lab's case, which the categories are built from.
        width: d of the model.
        seeds: seeds of the splits and of the controls.
        work: folder of models that were trained.
    """
    loaded = model_of_width(width, work)
    sites = neuron_sites(loaded.model)
    for name, build in CATEGORIES.items():
        samples = build(case, loaded)
        layers = {
            site: x for some in read_neurons(loaded, samples.sequences, sites) for site, x in some.items()
        }
        # A seed changes the split and the controls, not what was read.
        for seed in seeds:
            print(f"width {width}, {name}, seed {seed}", file=sys.stderr, flush=True)
            probing = SparseProbing(prefilter=max(SIZES), sizes=SIZES, exact_among=EXACT_AMONG, seed=seed)
            yield seed, name, probing.study_layers(iter(layers.items()), samples.split(seed))


def chosen_row(width: int, name: str, seed: int, study: ProbeStudy) -> Row:
    """Return the probe that validation chose, and its controls, on the test split, as `CHOSEN` names them."""
    test = study.test
    return (
        width,
        name,
        seed,
        study.chosen.site.layer,
        study.chosen.k,
        test.f1,
        test.mcc,
        test.precision,
        test.recall,
        study.rotated.f1,
        study.random.f1,
        sum(study.samples),
        study.positives,
    )


def summary(sweep: Sequence[Row], chosen: Sequence[Row]) -> Table:
    """Sum up over seeds: the test F1 and its controls, the fewest neurons that nearly do it, the best single one.

    Args:
        sweep: rows of width, category, seed, layer, k, exactness and validation F1.
        chosen: rows as `CHOSEN` names them.
    """
    rows: list[Row] = []
    for width, name in dict.fromkeys((row[0], row[1]) for row in chosen):
        own = [row for row in chosen if row[:2] == (width, name)]
        singles, fewest, layers = [], [], []
        for seed in (row[2] for row in own):
            f1 = {
                (int(row[3]), int(row[4])): float(row[6]) for row in sweep if row[:3] == (width, name, seed)
            }
            # (layer, k) -> validation F1; the fewest neurons of all layers, and of equally few the shallowest.
            best = max(f1.values())
            singles.append(max(value for (_, k), value in f1.items() if k == 1))
            k, layer = min((k, layer) for (layer, k), value in f1.items() if value >= ENOUGH * best)
            fewest.append(k)
            layers.append(layer)
        # F1, F1 in a random basis, F1 of random neurons: places in `CHOSEN`.
        means = [float(np.mean([row[place] for row in own])) for place in (5, 9, 10)]
        rows.append(
            (width, name, *means, float(np.mean(singles)), float(np.median(fewest)), float(np.median(layers)))
        )
    columns = (
        "width",
        "category",
        "F1",
        "F1, random basis",
        "F1, random neurons",
        "best single neuron",
        "fewest neurons",
        "their layer",
    )
    return Table("summary", columns, rows)


if __name__ == "__main__":
    sys.exit(main())
