"""MEMIT (Meng et al. 2023, arXiv:2210.07229), with not knowing the fact as what is written in its place.

A fact is taken to be recalled by the MLPs of a range of layers at the last token of its subject. First the residual
stream h_i after the deepest of them is given a target z_i = h_i + δ_i with which the model no longer knows the fact
(`editor.methods.weights.residual_targets` says what that means, and why it is not the phrase "I don't know"). Then
the layers' output projections are changed one after the other, each by an equal share of what is still missing
(eqs. 14 and 20):

    r_i  = (z_i - h_i) / (layers that are left, this one included)
    ΔW   = R Kᵀ (λ C₀ + K Kᵀ)⁻¹                 (means over tokens and over probes; `editor.methods.shared.keyed`)

with h_i and the keys K read again after each layer. Here every wording of a fact is a column, with its own key and h_i;
δ is shared by all wordings and by all facts of one subject. The paper's memories have a subject each; where
several facts of one person are to go, they are looked up at the same token with the same key, and least squares
would only average what each of them wants. Where a norm follows the projection (Gemma-2), r_i is mapped through it.
"""

from dataclasses import asdict, dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Site, capture, decoder_layers, resolve
from editor.edits.edit import Edit
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.methods.shared.changes import Changes
from editor.methods.shared.key_moments import key_moments
from editor.methods.shared.keyed import before_norm, keyed_change
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.unlocated import Unlocated
from editor.methods.weights.lookups import Lookups, fact_lookups
from editor.methods.weights.residual_targets import ResidualTargets
from editor.model.tokens import MarkedBatch, batches, padded_tokens
from editor.processes import group


@dataclass(frozen=True, kw_only=True)
class Memit(Unlocated):
    """Method that writes "not known" over a range of MLPs at the subjects' last tokens.

    Attributes:
        depth: deepest layer of the range, as a share of the way from the first layer to the last but one:
            after the last layer nothing reads the subject's token.
        layers: number of layers in the range, where there are as many.
        ridge: λ, the weight of retained tokens.
        targets: settings of the search for z; its clamp is the strength, since δ grows until it is met.
    """

    name: ClassVar[str] = "memit"
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "clamp": Range(low=0.3, high=4.0, log=True),
            "ridge": Range(low=0.01, high=30.0, log=True),
            "margin_nats": Range(low=0.0, high=8.0),
            "essence": Range(low=0.01, high=1.0, log=True),
        },
        strength="clamp",
        stronger=1.25,
        gentler=0.8,
    )

    depth: float = 0.5
    layers: int = 2
    ridge: float = 0.1
    targets: ResidualTargets = field(default_factory=ResidualTargets)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        sites = self.sites(problem)
        stream = Site(sites[-1].layer, "resid_post")
        facts = fact_lookups(problem)
        _, states = _read(problem, facts, sites[-1], stream)  # h_i of the original model
        # z_i = h_i + δ_i, with the δ of the memory that probe i looks up.
        wanted = states + self.targets.fit(problem, facts, states, stream)[facts.memories.to(states.device)]
        moments = key_moments(problem, sites)  # C₀, of the original model too
        with Changes(problem, sites) as changes:
            for done, site in enumerate(sites):
                # K and h_i, as the layers changed before leave them.
                keys, states = _read(problem, facts, site, stream)
                # r_i = (z_i - h_i) / layers left, eq. 20; rows of R.
                share = (wanted - states) / (len(sites) - done)
                share = before_norm(resolve(problem.loaded.model, site), keys, share)
                # ΔW = R Kᵀ (λ C₀ + K Kᵀ)⁻¹, eq. 14
                changes.add(site, keyed_change(keys, share, moments[site].covariance, self.ridge))
            return Edit(deltas=changes.deltas(), method=self.name, settings=flattened(asdict(self)))

    def sites(self, problem: EditProblem) -> list[Site]:
        """Return the sites of the range, what each MLP writes, shallowest first."""
        last = len(decoder_layers(problem.loaded.model)) - 1
        deepest = max(0, min(round(self.depth * (last - 1)), last - 1))
        return [Site(layer) for layer in range(max(0, deepest + 1 - self.layers), deepest + 1)]


@torch.no_grad()
def _read(
    problem: EditProblem, facts: Lookups, site: Site, stream: Site
) -> tuple[Float[Tensor, "probes m"], Float[Tensor, "probes d"]]:
    """Return the keys k_i of a site and the residual stream h_i after another layer, at the lookup of each probe."""
    loaded = problem.loaded
    keys: list[Tensor] = [torch.empty(0)] * len(facts.sequences)
    states = list(keys)  # each is set where its batch is read: batches are sorted by length

    def read(batch: MarkedBatch) -> list[tuple[int, Tensor, Tensor]]:
        with capture(loaded.model, {site, stream}, stop_early=True) as taken:
            loaded.model.base_model(**batch.inputs, use_cache=False)
        places = [(index, (row, int(facts.places[index]))) for row, index in enumerate(batch.indices)]
        return [
            (index, taken.keys[site][at].float(), taken.outputs[stream][at].float()) for index, at in places
        ]

    asked = batches(facts.sequences, pad=loaded.pad_id, device=loaded.device)
    for found in group().each("lookups", asked, read, cost=padded_tokens):
        for index, key, state in found:
            keys[index], states[index] = key, state
    return torch.stack(keys), torch.stack(states)
