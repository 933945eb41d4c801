"""PISCES (Gur-Arieh et al. 2025, arXiv:2505.22586): features sign-flipped in the MLP's value vectors.

A neuron i writes h_i w_i, with h_i its activation and w_i its value vector, its column of the MLP's output projection.
The dictionary of what the MLP writes reads features in w_i too: a_ij = ⟨w_i, e_j⟩ / ⟨d_j, e_j⟩, with e_j what its
encoder reads and d_j what its decoder writes. For each located feature j the neurons with |a_ij| > τ max_i |a_ij|
are edited in feature space, and what the dictionary does not explain of w_i stays as it is:

    w_i ← w_i + (f_ij - a_ij) d_j,    f_ij = -μ |a_ij| sgn(h_i)

A neuron that writes the feature where the secrets are recalled (a_ij h_i > 0) gets it with the other sign and μ times
as large, f_ij = -μ a_ij; one that writes against it does so μ times as strongly, f_ij = μ a_ij. The change of the
projection is a sum of rank-1 terms, one a feature, each of few neurons. In the code a is (features, neurons), so a_ij
stands at [j, i], and h_i is the neuron's mean activation at the tokens that predict the secrets.

What is interpretation here. The authors find a concept's features by their tokens and by judges; these are those that
attribution locates for the facts. Their code sets every edited entry to -μ times the largest |a| of the layer, at most
1/τ times ours where a feature is that layer's largest. They take an activation's usual sign from general text, we from
the tokens that predict the secrets. Division by ⟨d_j, e_j⟩ makes a_ij the same whatever the encoder's scale, bits
included; biases and thresholds of the encoder, made for whole activations, are left out, as in their choice of
neurons. Where a norm follows the projection (Gemma-2), w_i is read through its gain and the change is mapped
back; the norm's own scale cancels. Dictionaries of attention's output or of the residual stream edit whatever
projections write there, in the same way.
"""

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods.method import Control
from editor.methods.shared.keyed import inverse_gain, norm_gain
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.secret_keys import SecretKeys, secret_keys

LEAST_COSINE = 0.05
"""Least cosine of an encoder's and its decoder's direction: below it the feature does not read what it writes."""


@dataclass(frozen=True, kw_only=True)
class Pisces:
    """Method that flips the sign of located features in the neurons that write them most.

    Attributes:
        units: number of features taken, those of highest attribution over all sites.
        threshold: τ, share of a feature's largest |a_ij| that an edited neuron's must exceed.
        overshoot: μ; 0 takes the feature out of those neurons.
    """

    name: ClassVar[str] = "pisces"
    needs_dictionary: ClassVar[bool] = True
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "units": Range(low=5, high=400, log=True, whole=True),
            "threshold": Range(low=0.05, high=0.9, log=True),
            "overshoot": Range(low=0.0, high=10.0),
        },
        strength="overshoot",
        stronger=0.5,
        gentler=-0.5,
    )

    units: int = 20
    threshold: float = 0.5
    overshoot: float = 1.0

    def located(self, problem: EditProblem) -> Attribution:
        """Return the features' attribution."""
        return problem.attribution

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        located = {site: units for site, units in problem.attribution.top(self.units).items() if len(units)}
        used = secret_keys(problem, problem.writing(located))
        # (f_ij - a_ij) and d_j of each feature, by writing site: two sites may be written by one projection.
        terms: dict[Site, list[tuple[Tensor, Tensor]]] = {}
        for site, units in located.items():
            for one in problem.writing([site]):
                found = self._terms(problem, one, problem.dictionaries[site], units, used[one])
                terms.setdefault(one, []).append(found)
        deltas = {}
        for site, parts in terms.items():
            name, transposed = problem.parameter(site)
            neurons, directions = (torch.cat(part) for part in zip(*parts, strict=True))
            # ΔW = Σ_j d_j (f_j - a_j)ᵀ, (d, m), or its transpose where the weight is stored (m, d).
            deltas[name] = _delta(*((neurons, directions) if transposed else (directions, neurons)))
        return Edit(deltas=deltas, method=self.name, settings=asdict(self))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:  # noqa: ARG002
        """Return none: sign-flipped features are told from random directions."""
        return ()

    @torch.no_grad()
    def _terms(
        self,
        problem: EditProblem,
        site: Site,
        dictionary: Dictionary,
        units: Int[Tensor, " units"],
        used: SecretKeys,
    ) -> tuple[Float[Tensor, "units m"], Float[Tensor, "units d"]]:
        """Return, for each feature, f_ij - a_ij of each neuron, and d_j as it must be before the norm."""
        name, transposed = problem.parameter(site)
        weight = problem.loaded.model.get_parameter(name).detach().float().cpu()
        found = resolve(problem.loaded.model, site)
        # a_ij, with the value vectors w_i as rows, as the norm's gain lets them through.
        a = readings(dictionary, units, (weight if transposed else weight.T) * norm_gain(found).cpu())
        # |a_ij| > τ max_i |a_ij|
        chosen = a.abs() > self.threshold * a.abs().amax(1, keepdim=True)
        wanted = -self.overshoot * a.abs() * used.mean.sign()  # f_ij = -μ |a_ij| sgn(h_i)
        directions = dictionary.directions.detach()[units].float().cpu()
        return torch.where(chosen, wanted - a, 0.0), directions * inverse_gain(found).cpu()


@torch.no_grad()
def readings(
    dictionary: Dictionary, units: Int[Tensor, " units"], vectors: Float[Tensor, "m d"]
) -> Float[Tensor, "units m"]:
    """Return a_ij: how much of each feature is in each vector, as the encoder reads it.

    Args:
        dictionary: the features' dictionary.
        units: the features j.
        vectors: the w_i, a row each.

    Returns:
        a, (units, m), on the CPU; 0 for a feature that reads another direction than it writes (`LEAST_COSINE`).
    """
    # e_j, d_j and ⟨d_j, e_j⟩.
    reads = dictionary.W_enc.detach()[:, units].T.float().cpu()
    writes = dictionary.directions.detach()[units].float().cpu()
    own = (reads * writes).sum(1, keepdim=True)
    # The cosine of e_j and d_j is too small, or negative.
    apart = own < LEAST_COSINE * reads.norm(dim=1, keepdim=True) * writes.norm(dim=1, keepdim=True)
    return torch.where(apart, 0.0, reads @ vectors.T / own)


def _delta(left: Float[Tensor, "units rows"], right: Float[Tensor, "units columns"]) -> Delta:
    """Sum the rank-1 terms, factored again where there are more of them than the matrix has dimensions."""
    if len(left) > min(left.shape[1], right.shape[1]):
        return Delta.from_dense(left.T @ right)
    return Delta(left=left.T.contiguous(), right=right.contiguous())
