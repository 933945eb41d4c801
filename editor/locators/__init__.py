"""Where facts sit: a new locator is a file and a line in `LOCATORS`.

Importing this imports no locator and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from editor.entries import load_object

if TYPE_CHECKING:
    from editor.locators.finding import Finding
    from editor.locators.problem import EditProblem


@dataclass(frozen=True, kw_only=True)
class LocatorEntry:
    """One locator.

    Attributes:
        name: Name on the command line.
        path: Module and function under `editor.locators`, as `module:function`; it takes the problem and a seed and
            returns a `Finding`.
        title: What it finds, in words.
        needs_dictionary: Whether the problem must have dictionaries.
    """

    name: str
    path: str
    title: str
    needs_dictionary: bool = False

    def find(self, problem: "EditProblem", seed: int) -> "Finding":
        """Import the locator and locate; the model is left as it was."""
        found: Finding = load_object(f"editor.locators.{self.path}")(problem, seed)
        return found


LOCATORS: Mapping[str, LocatorEntry] = {
    entry.name: entry
    for entry in (
        LocatorEntry(
            name="kn",
            path="findings.neurons:find_knowledge_neurons",
            title="knowledge neurons (Dai et al. 2022)",
        ),
        LocatorEntry(
            name="depn",
            path="findings.neurons:find_privacy_neurons",
            title="privacy neurons, DEPN (Wu et al. 2023)",
        ),
        LocatorEntry(
            name="probe", path="findings.probing:find_probes", title="sparse probing (Gurnee et al. 2023)"
        ),
        LocatorEntry(
            name="nodes",
            path="findings.circuits:find_nodes",
            title="circuit of heads and MLPs by node attribution",
        ),
        LocatorEntry(name="mask", path="findings.circuits:find_weight_mask", title="circuit by weight mask"),
        LocatorEntry(name="mlp", path="findings.circuits:find_fact_layers", title="MLPs that look facts up"),
        LocatorEntry(
            name="features",
            path="findings.neurons:find_features",
            title="dictionary features by attribution",
            needs_dictionary=True,
        ),
    )
}
"""By name, in the order of help."""
