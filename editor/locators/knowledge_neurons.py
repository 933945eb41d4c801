"""Knowledge neurons (Dai et al. 2022, arXiv:2104.08696): what wordings of a fact share.

For each wording, neurons above `share_of_max` of the highest score in any layer are coarse knowledge neurons of it;
those that at least `shared` of the fact's wordings have are the fact's. The attribution of a secret of several tokens
is the mean over its tokens. Where no neuron is shared by that many, the share is lowered step by step.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site
from editor.locators.features import Attribution
from editor.locators.neurons import NeuronScores, neuron_sites

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem

LESS_SHARED = 0.05
"""Step by which `shared` falls where no neuron is left, as in the paper."""


@dataclass(frozen=True, kw_only=True)
class KnowledgeNeurons:
    """A locator of the neurons that most wordings of a fact are attributed to.

    Attributes:
        steps: number of points on the path, m.
        share_of_max: coarse threshold, relative to the wording's highest score.
        shared: share of a fact's wordings that must have the neuron, 0 to 1.
    """

    steps: int = 20
    share_of_max: float = 0.2
    shared: float = 0.7

    def locate(self, problem: "EditProblem") -> Attribution:
        """Score neurons by the mean attribution over the facts they belong to; 0 where they belong to none."""
        sites = neuron_sites(problem.loaded.model)
        facts = _Facts()
        for fact, one in zip(problem.fact_of, problem.neuron_scores(self.steps), strict=True):
            facts.add(fact, one, self.share_of_max)
        return facts.attribution(sites, self.shared)


class _Facts:
    """Running sums over each fact's wordings."""

    def __init__(self) -> None:
        self.wordings: dict[int, int] = {}
        self.coarse: dict[int, Tensor] = {}
        self.sums: dict[int, Tensor] = {}
        self.effect = 0.0
        self.widths: list[int] = []

    def add(self, fact: int, one: NeuronScores, share_of_max: float) -> None:
        """Add one wording."""
        flat = torch.cat(list(one.scores.values())) / one.tokens  # mean over the secret's tokens
        self.widths = [len(score) for score in one.scores.values()]
        high = (flat > share_of_max * flat.max()).int()  # coarse knowledge neurons
        self.wordings[fact] = self.wordings.get(fact, 0) + 1
        self.coarse[fact] = self.coarse[fact] + high if fact in self.coarse else high
        self.sums[fact] = self.sums[fact] + flat if fact in self.sums else flat
        self.effect += sum(one.effects.values()) / one.tokens

    def attribution(self, sites: Iterable[Site], shared: float) -> Attribution:
        """Return the mean over all facts (raw: over all wordings)."""
        count = sum(self.wordings.values())
        raw = torch.stack(list(self.sums.values())).sum(0) / count
        refined = torch.stack([self._refine(fact, shared) for fact in self.wordings]).mean(0)
        return Attribution(
            scores=dict(zip(sites, torch.split(refined, self.widths), strict=True)),
            raw=dict(zip(sites, torch.split(raw, self.widths), strict=True)),
            remainder=0.0,
            total_effect=self.effect / count,
        )

    def _refine(self, fact: int, shared: float) -> Float[Tensor, " neurons"]:
        """Return the mean scores of the neurons that enough of a fact's wordings share, 0 for the others."""
        wordings = self.wordings[fact]
        has = self.coarse[fact] / wordings  # share of wordings
        least = shared
        while least > 0 and not bool((has >= least - 1e-9).any()):
            least -= LESS_SHARED
        return (self.sums[fact] / wordings) * (has >= least - 1e-9)
