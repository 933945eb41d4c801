"""Fine-tuning inside the MLPs that look the facts up (`editor.locators.fact_layers`)."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from editor.locators.blocks import Masks, Node, node_masks
from editor.locators.fact_layers import FactLayers
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods.circuits.circuit import CIRCUIT_SPACE, CircuitMethod
from editor.methods.shared.searching import Range, SearchSpace


@dataclass(frozen=True, kw_only=True)
class CircuitMlp(CircuitMethod):
    """Method that changes the MLPs after which a probe for the facts rises most.

    Attributes:
        layers: number of MLPs.
        locator: search for those MLPs.
    """

    name: ClassVar[str] = "circuit-mlp"
    space: ClassVar[SearchSpace] = replace(
        CIRCUIT_SPACE, ranges={**CIRCUIT_SPACE.ranges, "layers": Range(low=1, high=4, whole=True)}
    )

    layers: int = 2
    locator: FactLayers = field(default_factory=FactLayers)

    def located(self, problem: EditProblem) -> Attribution:
        """Return the rise of each layer, one unit a layer."""
        return problem.located(self.locator)

    def circuit(self, problem: EditProblem) -> Masks:
        """Return the weights of the best MLPs."""
        return node_masks(problem.loaded.model, self.nodes(problem))

    def nodes(self, problem: EditProblem) -> list[Node]:
        """Return the best MLPs, best first; of equal ones the shallower first."""
        rises = {site.layer: float(score) for site, score in self.located(problem).scores.items()}
        # A node without a head is the layer's MLP.
        return [Node(layer) for layer in sorted(rises, key=lambda layer: (-rises[layer], layer))][
            : self.layers
        ]
