"""Privacy neurons, DEPN (Wu et al. 2023, arXiv:2310.20138): what most sequences vote for.

The attribution of a sequence is the sum over its secret's tokens of integrated gradients of their probabilities.
Each sequence votes for the neurons above `share_of_max` of its own highest score; the neurons of most votes are the
privacy neurons, ties going to the higher mean score.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dictionaries.model.sites import Site
from editor.locators.features import Attribution

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem


@dataclass(frozen=True, kw_only=True)
class PrivacyNeurons:
    """A locator of the neurons that most probes to erase vote for.

    Attributes:
        steps: number of points on the path, m.
        share_of_max: a sequence votes for neurons above this share of its highest score.
    """

    steps: int = 20
    share_of_max: float = 0.1

    def locate(self, problem: "EditProblem") -> Attribution:
        """Score neurons by their votes, plus at most a half for the mean attribution, which decides ties."""
        votes: dict[Site, Tensor] = {}
        sums: dict[Site, Tensor] = {}
        effect = 0.0
        for one in problem.neuron_scores(self.steps):
            least = self.share_of_max * max(float(score.max()) for score in one.scores.values())
            for site, score in one.scores.items():
                mine = (score > least).float()  # this sequence's votes
                votes[site] = votes[site] + mine if site in votes else mine
                sums[site] = sums[site] + score if site in sums else score
            effect += sum(one.effects.values())
        count = len(problem.erase)
        raw = {site: total / count for site, total in sums.items()}  # mean attribution
        highest = max(1e-12, *(float(score.max()) for score in raw.values()))
        return Attribution(
            scores={
                site: torch.where(votes[site] > 0, votes[site] + score.clamp(min=0) / (2 * highest), 0.0)
                for site, score in raw.items()
            },
            raw=raw,
            remainder=0.0,
            total_effect=effect / count,
        )
