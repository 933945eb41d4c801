"""Faithfulness of circuits: how much of what a model does a circuit does alone.

The nodes outside a circuit give their corrupt outputs. With v its objective then (means over pairs of prompts),

    faithfulness f(C) = (v(C) - v(∅)) / (v(all) - v(∅)),       v(∅): every node gives its corrupt output

CPR, the circuit performance ratio, is the area under f over the share of nodes, and CMD, the circuit-model distance,
that under |1 - f| (Mueller et al. 2025, arXiv:2504.13151), both by trapezoids from the empty circuit, f = 0, to the
whole model. A circuit of few nodes that does everything has CPR near 1 (above where single nodes hold others down)
and CMD near 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from editor.locators.blocks import Node
from editor.locators.nodes import patched_values
from editor.locators.pairs import PromptPair
from editor.model.loading import LoadedModel

SIZES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """Faithfulness of one ranking's circuits, by size.

    Attributes:
        sizes: the circuits' shares of all nodes, ascending.
        nodes: the circuits' numbers of nodes.
        values: f of each circuit.
    """

    sizes: tuple[float, ...]
    nodes: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def cpr(self) -> float:
        """CPR: the area under f."""
        return self._area(np.array([0.0, *self.values]))

    @property
    def cmd(self) -> float:
        """CMD: the area under |1 - f|."""
        return self._area(np.abs(1 - np.array([0.0, *self.values])))

    def _area(self, heights: np.ndarray) -> float:
        return float(np.trapezoid(heights, np.array([0.0, *self.sizes])))


def faithfulness(
    loaded: LoadedModel,
    pairs: Sequence[PromptPair],
    ranking: Sequence[Node],
    sizes: Sequence[float] = SIZES,
) -> Faithfulness:
    """Measure the circuits of the best nodes at several sizes.

    Args:
        loaded: the model, left as it was.
        pairs: pairs of prompts; not those that the ranking was made on, where generalisation is claimed.
        ranking: every node, best first.
        sizes: shares of all nodes, ascending.
    """
    counts = [round(size * len(ranking)) for size in sizes]
    outside = {count: ranking[count:] for count in {0, *counts, len(ranking)}}
    values = dict(zip(outside, patched_values(loaded, pairs, list(outside.values())), strict=True))
    empty, whole = values[0], values[len(ranking)]  # v(∅), v(all)
    span = whole - empty
    return Faithfulness(
        sizes=tuple(sizes),
        nodes=tuple(counts),
        values=tuple((values[count] - empty) / span if span else 0.0 for count in counts),  # f(C)
    )
