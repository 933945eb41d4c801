"""Control: a method that takes many features on features drawn at random, at the same ‖ΔW‖.

A published replication found noise as good as the method it examined; without this control no claim stands.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from dictionaries.model.sites import Site
from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.least_squares import FeatureLeastSquares
from editor.methods.method import Control
from editor.methods.shared.searching import SearchSpace


@dataclass(frozen=True, kw_only=True)
class RandomFeatures:
    """Control: a method on as many features a site, drawn uniformly from those that fire, at a given norm.

    Attributes:
        like: edit method whose settings and feature counts are copied.
        norm: ‖ΔW‖_F to scale to; None leaves the edit as it comes.
        seed: seed that the features are drawn by.
    """

    name: ClassVar[str] = "random-features"
    needs_dictionary: ClassVar[bool] = True
    space: ClassVar[SearchSpace] = FeatureEdit.space

    like: FeatureEdit | FeatureLeastSquares = field(default_factory=FeatureEdit)
    norm: float | None = None
    seed: int = 0

    @property
    def units(self) -> int:
        """Number of features drawn, at most."""
        return self.like.units

    def located(self, problem: EditProblem) -> Attribution:
        """Return the draw."""
        return self._draw(problem.attribution)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        drawn = self._draw(problem.attribution)
        return self._scale(self.like.fit(problem.changed(attribution=drawn)))

    def fit_from(self, problem: EditProblem, start: Edit) -> Edit:
        """Return the edit, begun at one with the same draw: searched as the method is."""
        drawn = self._draw(problem.attribution)
        return self._scale(self.like.fit_from(problem.changed(attribution=drawn), start))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:  # noqa: ARG002
        """Return none: this is a control itself."""
        return ()

    def _scale(self, edit: Edit) -> Edit:
        factor = 1.0 if self.norm is None or edit.is_empty else self.norm / edit.norm
        settings = flattened({"seed": self.seed, "norm": self.norm, "like": asdict(self.like)})
        return replace(edit.scaled(factor), method=self.name, settings=settings)

    def _draw(self, attribution: Attribution) -> Attribution:
        """Return scores of 1 for as many features a site, drawn at random, as the true scores would choose; else 0."""
        generator = torch.Generator().manual_seed(self.seed)
        scores: dict[Site, Tensor] = {}
        located: Mapping[Site, Tensor] = attribution.top(self.like.units)
        for site, units in located.items():
            raw = attribution.raw[site]
            firing = raw.nonzero()[:, 0]
            others = firing[~torch.isin(firing, units)]
            chosen = others[torch.randperm(len(others), generator=generator)[: len(units)]]
            scores[site] = torch.zeros_like(raw)
            scores[site][chosen] = 1.0
        return replace(attribution, scores=scores)
