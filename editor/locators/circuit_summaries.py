"""Summaries of circuits: sentences for people, rows for tables."""

from collections.abc import Mapping

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from dictionaries.model.sites import Site
from editor.locators.blocks import all_nodes, node_masks
from editor.locators.circuit_parts import composition
from editor.locators.fact_layers import PLACES, LayerReading
from editor.locators.faithfulness import Faithfulness
from editor.locators.features import Attribution
from editor.locators.finding import TableRow
from editor.locators.nodes import NodeScores
from editor.locators.weight_mask import FoundMasks

BEST = 8
"""Nodes that a sentence names."""


def node_sentences(found: NodeScores, curve: Faithfulness, pairs: int) -> tuple[str, ...]:
    """Say how complete the scores are, which nodes are best, and how faithful circuits of the best ones are."""
    best = ", ".join(f"{node} {found.scores[node]:.1f}" for node in found.ranking()[:BEST])
    refuted = sum(effect <= 0 for effect in found.exact.values())
    return (
        f"{pairs} pairs of prompts; the other name takes {found.total_effect:.1f} from the objective, of which the "
        f"embeddings' scores explain {found.completeness:.2f}.",
        f"Best nodes: {best}.",
        f"{len(found.exact)} patched exactly, {refuted} of them refuted.",
        f"CPR {curve.cpr:.3f}, CMD {curve.cmd:.3f}, on the same prompts.",
    )


def node_rows(found: NodeScores) -> list[TableRow]:
    """Return a row for every node, best first."""
    return [
        {"node": str(node), "score": found.raw[node], "exact": found.exact.get(node)}
        for node in found.ranking()
    ]


def curve_rows(curve: Faithfulness) -> list[TableRow]:
    """Return faithfulness by size, a row for each size."""
    columns = zip(curve.sizes, curve.nodes, curve.values, strict=True)
    return [{"share": size, "nodes": count, "faithfulness": value} for size, count, value in columns]


def layer_sentences(reading: LayerReading) -> tuple[str, ...]:
    """Say how much the probes' selectivity rises over each MLP."""
    rises = ", ".join(f"MLP {layer} {rise:+.2f}" for layer, rise in enumerate(reading.rises))
    return (f"Rise of the probes' selectivity over each MLP: {rises}.",)


def layer_rows(reading: LayerReading) -> list[TableRow]:
    """Return what probes read around each MLP, a row for each layer and place."""
    return [
        {
            "layer": layer,
            "place": place,
            "before": reading.before[place][layer],
            "after": reading.after[place][layer],
            "accuracy": reading.accuracy[place][layer],
        }
        for layer in range(len(reading.rises))
        for place in PLACES
    ]


def mask_sentences(found: FoundMasks) -> tuple[str, ...]:
    """Say how much of what the whole model predicts the masked models predict."""
    shares = ", ".join(f"{agreement:.0%} at {density:.0%}" for density, agreement in found.agreement.items())
    return (
        f"The masked model predicts the answers' tokens as the whole one does: {shares} of the weights.",
        "Scores: the share of each node's weights in the least mask.",
    )


def mask_rows(model: nn.Module, found: FoundMasks) -> list[TableRow]:
    """Return density within each module kind and the kind's share, a row for each mask and kind."""
    return [
        {
            "density": density,
            "agreement": found.agreement[density],
            "kind": row.kind,
            "density_within": row.density,
            "share": row.share,
        }
        for density, masks in found.masks.items()
        for row in composition(model, masks)
    ]


def mask_attribution(model: nn.Module, masks: Mapping[str, Bool[Tensor, "..."]]) -> Attribution:
    """Return the share of each node's weights in a mask as scores, by site."""
    shares: dict[Site, list[float]] = {}
    for node in sorted(all_nodes(model), key=lambda node: (node.site, node.unit)):
        own = node_masks(model, [node])
        chosen = sum(int((masks[name] & mask).sum()) for name, mask in own.items())
        shares.setdefault(node.site, []).append(chosen / sum(int(mask.sum()) for mask in own.values()))
    scores = {site: torch.tensor(values) for site, values in shares.items()}
    raw = {site: score.clone() for site, score in scores.items()}
    return Attribution(scores=scores, raw=raw, remainder=0.0, total_effect=0.0)
