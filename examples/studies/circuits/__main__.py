"""`python -m examples.studies.circuits`: circuits of five sizes, edited, with their complements and random masks."""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from editor.edits.edit import Edit
from editor.locators.blocks import Masks, block_weights, node_masks
from editor.locators.circuit_parts import PARTS, composition, part_of
from editor.locators.faithfulness import faithfulness
from editor.locators.nodes import NodeAttribution, exact_effects
from editor.locators.pairs import make_pairs
from editor.locators.weight_mask import DENSITIES, WeightMask, agreement
from editor.methods.circuits.circuit_tuning import CircuitTuning
from examples.studies.circuits.lab import Setting, open_lab
from examples.studies.circuits.tables import Row, Table, append_rows, markdown, over_seeds, write_table

RESULTS = Path(__file__).resolve().parent / "results"
NODES, MASK = "nodes", "mask"
SIZES = tuple(count / 20 for count in range(1, 21))
"""Shares of the nodes at which the faithfulness curve is measured."""
# Columns of the tables.
RESPONSES = (
    "locator",
    "seed",
    "density",
    "part",
    "weights",
    "holds",
    "facts",
    "probes",
    "others",
    "same_subject",
    "perplexity_rise",
    "norm",
)
SCORES = ("seed", "node", "score", "exact effect")
CURVE = ("seed", "share", "nodes", "faithfulness")
MEASURES = ("weights", "holds", "facts", "probes", "others", "same_subject", "perplexity_rise")
COMPOSITIONS = ("locator", "seed", "density", "kind", "density_within", "share")


def main() -> int:
    """Run the study and write its tables as they grow; return 0."""
    parser = argparse.ArgumentParser(prog="python -m examples.studies.circuits", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N")
    parser.add_argument("--locators", nargs="+", choices=(NODES, MASK), default=[NODES, MASK])
    parser.add_argument("--densities", nargs="+", type=float, default=sorted(DENSITIES), metavar="SHARE")
    parser.add_argument("--steps", type=int, default=CircuitTuning.steps, help="of each fine-tuning")
    parser.add_argument("--mask-steps", type=int, default=WeightMask.steps, help="of the search for masks")
    parser.add_argument("--output", type=Path, default=RESULTS, help="a folder for tables")
    arguments = parser.parse_args()
    # One thread: sums then have one order, and the same seeds give the same tables on one machine.
    torch.set_num_threads(1)
    arguments.output.mkdir(parents=True, exist_ok=True)
    responses, compositions = Table("responses", RESPONSES, []), Table("composition", COMPOSITIONS, [])
    nodes, curves = Table("nodes", SCORES, []), Table("faithfulness", CURVE, [])
    for seed in arguments.seeds:
        setting = open_lab(seed)
        say("the lab is read")
        append_rows(responses, [_whole(setting, seed)])
        if NODES in arguments.locators:
            scores, curve = _node_rows(setting, seed)
            append_rows(nodes, scores)
            append_rows(curves, curve)
            write_table(nodes, arguments.output)
            write_table(curves, arguments.output)
        for locator in arguments.locators:
            for density, masks in _circuits(setting, locator, seed, arguments):
                append_rows(compositions, _composition(setting, locator, seed, density, masks))
                write_table(compositions, arguments.output)
                for row in _responses(setting, locator, seed, density, masks, arguments.steps):
                    append_rows(responses, [row])
                    write_table(responses, arguments.output)
    summary = over_seeds(responses, ("locator", "density", "part"), MEASURES)
    write_table(summary, arguments.output)
    for table in (summary, compositions):
        print(f"\n{table.name}\n\n{markdown(table)}", flush=True)
    return 0


def _whole(setting: Setting, seed: int) -> Row:
    """Return the row of `responses` for the model before any edit."""
    found = setting.judge.respond(None)
    weights = sum(weight.size for weight in block_weights(setting.problem.loaded.model))
    measured = (found.facts, found.probes, found.others, found.same_subject, found.perplexity_rise)
    return ("none", seed, 1.0, "whole model", weights, 1.0, *measured, 0.0)


def _node_rows(setting: Setting, seed: int) -> tuple[list[Row], list[Row]]:
    """Return rows of scores and exact effects of all nodes, and of the faithfulness curve on held-out wordings."""
    problem = setting.problem
    # Nodes are scored on locating wordings, and the ranking is judged on wordings that it did not see.
    locator = NodeAttribution(seed=seed)
    pairs = locator.make_pairs(problem)
    found = locator.fit(problem.loaded, pairs)
    exact = exact_effects(problem.loaded, pairs, found.ranking())
    nodes: list[Row] = [(seed, str(node), found.raw[node], exact[node]) for node in found.ranking()]
    unseen = make_pairs(problem.loaded, setting.held_out, problem.comparable, seed=seed)
    curve = faithfulness(problem.loaded, unseen, found.ranking(), SIZES)
    say(f"nodes: completeness {found.completeness:.3f}, CPR {curve.cpr:.3f}, CMD {curve.cmd:.3f}")
    return nodes, [
        (seed, size, count, value)
        for size, count, value in zip(curve.sizes, curve.nodes, curve.values, strict=True)
    ]


def _circuits(
    setting: Setting, locator: str, seed: int, arguments: argparse.Namespace
) -> Iterator[tuple[float, Masks]]:
    """Yield each density with the masks of its circuit, from the smallest on."""
    problem = setting.problem
    densities = sorted(arguments.densities)
    if locator == NODES:
        found = NodeAttribution(seed=seed).score(problem)
        yield from ((d, node_masks(problem.loaded.model, found.circuit(d))) for d in densities)
    else:
        # One search gives the masks of all densities.
        search = WeightMask(densities=tuple(densities), steps=arguments.mask_steps, seed=seed)
        masks = search.search(problem).masks
        yield from ((density, masks[density]) for density in densities)


def _composition(setting: Setting, locator: str, seed: int, density: float, masks: Masks) -> list[Row]:
    """Return rows of what a circuit is made of, one for each kind of module."""
    return [
        (locator, seed, density, row.kind, row.density, row.share)
        for row in composition(setting.problem.loaded.model, masks)
    ]


def _responses(
    setting: Setting, locator: str, seed: int, density: float, circuit: Masks, steps: int
) -> Iterator[Row]:
    """Yield rows of how each part responds to the same fine-tuning, and of what it holds alone."""
    problem = setting.problem
    for part in PARTS:
        started = time.monotonic()
        masks = part_of(problem.loaded.model, circuit, part, seed)
        # Before any edit: what the part does with all other block weights at 0.
        holds = agreement(problem.loaded, masks, problem.erase)
        deltas = CircuitTuning(steps=steps, seed=seed).fit(problem, masks)
        edit = Edit(deltas=deltas, method=f"{locator}-{part}")
        found = setting.judge.respond(edit)
        size = sum(int(mask.sum()) for mask in masks.values())
        say(f"{locator} {density} {part}: {found} {time.monotonic() - started:.0f} s")
        measured = (found.facts, found.probes, found.others, found.same_subject, found.perplexity_rise)
        yield (locator, seed, density, part, size, holds, *measured, edit.norm)


def say(text: str) -> None:
    """Tell what is being done, away from the tables."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
