"""FeatureEdit read as literally as its publication allows (Chen et al. 2025, arXiv:2502.12483).

The paper erases a fact by the features that fire on it, and leaves open how a feature becomes an edit of weights.
This arm is our interpretation, not the authors' code: for each located feature the coordinates of its decoder
direction with |d_j| > τ₂ · max |d_j| are the rows of the MLP's output projection that write the feature; the entries
of those rows in the columns of the neurons active on the fact are set to zero. A neuron i is active where
E |k_i| > neuron_share · max_i E |k_i|, with k the projection's inputs at the tokens that predict the secrets.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from dictionaries.model.sites import Site
from editor.edits.edit import Delta, Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods import METHODS
from editor.methods.method import Control
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.secret_keys import secret_keys


@dataclass(frozen=True, kw_only=True)
class FeatureLiteral:
    """Method that zeroes the entries of the output projection that write located features from active neurons.

    Attributes:
        units: number of features taken, those of highest attribution over all sites.
        coordinate_share: τ₂, share of a direction's largest |coordinate| that a row's must exceed.
        neuron_share: share of the most active neuron's mean |activation| that an active one's must exceed.
    """

    name: ClassVar[str] = "feature-literal"
    needs_dictionary: ClassVar[bool] = True
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "units": Range(low=5, high=400, log=True, whole=True),
            "coordinate_share": Range(low=0.1, high=0.9),
            "neuron_share": Range(low=0.02, high=0.6, log=True),
        },
        strength="units",
        stronger=3.0,
        gentler=1 / 3,
    )

    units: int = 20
    coordinate_share: float = 0.5
    neuron_share: float = 0.2

    def located(self, problem: EditProblem) -> Attribution:
        """Return the features' attribution."""
        return problem.attribution

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        located = {site: units for site, units in problem.attribution.top(self.units).items() if len(units)}
        activity = secret_keys(problem, problem.writing(located))
        chosen: dict[Site, Tensor] = {}  # entries to zero, (d, m), by writing site
        for site, units in located.items():
            rows = self._rows(problem.dictionaries[site].directions[units].cpu())
            for one in problem.writing([site]):
                # E |k_i| > neuron_share · max_i E |k_i|
                columns = activity[one].size > self.neuron_share * activity[one].size.max()
                entries = rows[:, None] & columns[None, :]
                chosen[one] = chosen[one] | entries if one in chosen else entries
        deltas = {}
        for site, entries in chosen.items():
            name, transposed = problem.parameter(site)
            weight = problem.loaded.model.get_parameter(name).detach().float().cpu()
            # ΔW = -W in the chosen entries, 0 elsewhere.
            zeroed = -weight * (entries.T if transposed else entries)
            deltas[name] = Delta.from_dense(zeroed)
        return Edit(deltas=deltas, method=self.name, settings=asdict(self))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return as many features a site drawn at random, taken out as `feature-edit` does."""
        like = METHODS["feature-edit"].make(units=self.units)
        return (
            Control(
                METHODS["random-features"].make(like=like, norm=norm, seed=seed),
                "as many features a site drawn at random, scaled to the same ‖ΔW‖",
            ),
        )

    def _rows(self, directions: Float[Tensor, "units d"]) -> Bool[Tensor, " d"]:
        """Tell which rows of the projection write any of the features."""
        size = directions.abs()
        # |d_j| > τ₂ · max |d_j|
        return (size > self.coordinate_share * size.max(1, keepdim=True).values).any(0)
