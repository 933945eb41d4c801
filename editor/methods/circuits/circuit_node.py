"""Fine-tuning inside the heads and MLPs that node attribution finds (`editor.locators.nodes`)."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from editor.locators.blocks import Masks, Node, node_masks
from editor.locators.features import Attribution
from editor.locators.nodes import NodeAttribution
from editor.locators.problem import EditProblem
from editor.methods.circuits.circuit import CIRCUIT_SPACE, CircuitMethod
from editor.methods.shared.searching import Range, SearchSpace


@dataclass(frozen=True, kw_only=True)
class CircuitNode(CircuitMethod):
    """Method that changes the best heads and MLPs, and nothing else.

    Attributes:
        density: share of all heads and MLPs, at least one of them.
        locator: attribution that ranks the nodes.
    """

    name: ClassVar[str] = "circuit-node"
    space: ClassVar[SearchSpace] = replace(
        CIRCUIT_SPACE, ranges={**CIRCUIT_SPACE.ranges, "density": Range(low=0.05, high=0.5, log=True)}
    )

    density: float = 0.25
    locator: NodeAttribution = field(default_factory=NodeAttribution)

    def located(self, problem: EditProblem) -> Attribution:
        """Return the nodes' attribution."""
        return problem.located(self.locator)

    def circuit(self, problem: EditProblem) -> Masks:
        """Return the weights of the best nodes."""
        return node_masks(problem.loaded.model, self.nodes(problem))

    def nodes(self, problem: EditProblem) -> list[Node]:
        """Return the best nodes, best first; of equal ones the lower `Node`."""
        # A head is a unit of `attn_heads`; an MLP is the only unit of its site, and head -1.
        scores = {
            Node(site.layer, unit if site.stream == "attn_heads" else -1): float(score)
            for site, units in self.located(problem).scores.items()
            for unit, score in enumerate(units)
        }
        ranking = sorted(scores, key=lambda node: (-scores[node], node))
        return ranking[: max(1, round(self.density * len(ranking)))]
