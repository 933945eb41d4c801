"""Circuits: heads and MLPs by node attribution, MLPs that look facts up, weights by a mask."""

from dataclasses import asdict

from editor.locators.circuit_summaries import (
    curve_rows,
    layer_rows,
    layer_sentences,
    mask_attribution,
    mask_rows,
    mask_sentences,
    node_rows,
    node_sentences,
)
from editor.locators.fact_layers import FactLayers
from editor.locators.faithfulness import faithfulness
from editor.locators.finding import Finding
from editor.locators.nodes import NodeAttribution
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.locators.weight_mask import WeightMask


def find_nodes(problem: EditProblem, seed: int) -> Finding:
    """Find the circuit of heads and MLPs by node attribution, and how faithful it is."""
    locator = NodeAttribution(seed=seed)
    pairs = locator.make_pairs(problem)
    found = locator.fit(problem.loaded, pairs)
    curve = faithfulness(problem.loaded, pairs, found.ranking())
    return Finding(
        attribution=found.attribution(),
        settings=flattened(asdict(locator)),
        units=len(found.confirmed()),
        sentences=node_sentences(found, curve, len(pairs)),
        tables={"nodes": node_rows(found), "faithfulness": curve_rows(curve)},
        figures={"faithfulness": curve},
    )


def find_fact_layers(problem: EditProblem, seed: int) -> Finding:
    """Find the MLPs that look facts up."""
    locator = FactLayers(seed=seed)
    reading = locator.read(problem.loaded, (*problem.asked, *problem.comparable))
    return Finding(
        attribution=reading.attribution(),
        settings=flattened(asdict(locator)),
        units=sum(rise > 0 for rise in reading.rises),
        sentences=layer_sentences(reading),
        tables={"layers": layer_rows(reading)},
    )


def find_weight_mask(problem: EditProblem, seed: int) -> Finding:
    """Train a mask of the weights that predict the facts."""
    locator = WeightMask(seed=seed)
    found = locator.search(problem)
    least = min(found.masks)
    shares = mask_attribution(problem.loaded.model, found.masks[least])
    return Finding(
        attribution=shares,
        settings={name: value for name, value in flattened(asdict(locator)).items() if name != "densities"},
        units=sum(int((score > least).sum()) for score in shares.scores.values()),
        sentences=mask_sentences(found),
        tables={"composition": mask_rows(problem.loaded.model, found)},
    )
