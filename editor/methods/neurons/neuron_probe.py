"""Erasing by sparse probes (Gurnee et al. 2023, arXiv:2305.01610): the probe's neurons are held at their mean.

A neuron held at its mean over retained text writes a constant: its column becomes zero, and mean x column goes into the
projection's bias. Projections without a bias (Llama and its kin) get the constant through the other neurons: the
combination v of their keys that is nearest to 1 on retained text,

    v = argmin E (v·k - 1)² + ε ‖v‖² = (C₀ + ε I)⁻¹ k̄        without the held neurons; C₀ = E kkᵀ, k̄ = E k

With strength s a held neuron i writes (1 - s) k_i w_i + s k̄_i w_i, w_i being its column.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import AnyDelta, Delta, Edit, MaskedDelta
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.locators.sparse_probing import SIZES, SparseProbing
from editor.methods import METHODS
from editor.methods.method import Control
from editor.methods.neurons.neuron_columns import NEURON_SPACE, RANDOM_NEURONS, without_columns
from editor.methods.shared.key_moments import KeyMoments, key_moments
from editor.methods.shared.searching import Range, SearchSpace

EPSILON = 1e-4
"""ε relative to the mean diagonal of C₀."""


@dataclass(frozen=True, kw_only=True)
class NeuronProbe:
    """Method that holds the neurons of the best sparse probe at their mean over retained text.

    Attributes:
        units: largest number of neurons: those of the chosen probe, the largest coefficients first, then those that
            larger probes of its layer add.
        strength: s; 1 holds them at their mean, 2 flips the sign of their deviation from it.
        locator: search for those neurons.
    """

    name: ClassVar[str] = "neuron-probe"
    needs_dictionary: ClassVar[bool] = False
    space: ClassVar[SearchSpace] = replace(
        NEURON_SPACE,
        ranges={**NEURON_SPACE.ranges, "units": Range(low=1, high=max(SIZES), log=True, whole=True)},
    )

    units: int = 100
    strength: float = 1.0
    locator: SparseProbing = field(default_factory=lambda: SparseProbing(beyond=True))

    def located(self, problem: EditProblem) -> Attribution:
        """Return the chosen probe's coefficients."""
        return problem.located(self.locator)

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        chosen = {site: units for site, units in self.located(problem).top(self.units).items() if len(units)}
        # C₀ and k̄ of the layers with held neurons.
        moments = key_moments(problem, [Site(site.layer) for site in chosen])
        deltas: dict[str, AnyDelta] = dict(without_columns(problem, chosen, self.strength))
        for site, units in chosen.items():
            _add_constant(problem, Site(site.layer), units, moments[Site(site.layer)], self.strength, deltas)
        return Edit(deltas=deltas, method=self.name, settings=flattened(asdict(self)))

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return as many neurons a layer drawn at random."""
        return (Control(METHODS["random-neurons"].make(like=self, norm=norm, seed=seed), RANDOM_NEURONS),)


def _add_constant(
    problem: EditProblem,
    site: Site,
    units: Int[Tensor, " units"],
    moments: KeyMoments,
    strength: float,
    deltas: dict[str, AnyDelta],
) -> None:
    """Add to the changes, as a constant, what the neurons write on average.

    Args:
        problem: source of the model and of its parameters' names.
        site: what the neurons' MLP writes.
        units: the held neurons.
        moments: k̄ and C₀ of the layer.
        strength: s.
        deltas: changes by parameter name, that of the projection's weight among them; changed in place.
    """
    name, transposed = problem.parameter(site)
    weight = problem.loaded.model.get_parameter(name).detach().float().cpu()
    columns = weight[units] if transposed else weight[:, units].T
    # s Σ_i k̄_i w_i, (d,).
    constant = strength * moments.mean.cpu()[units] @ columns
    bias = getattr(resolve(problem.loaded.model, site).projection, "bias", None)
    if bias is not None:
        mask = torch.ones(len(constant), dtype=torch.bool)
        deltas[f"{name.removesuffix('weight')}bias"] = MaskedDelta.from_dense(constant, mask)
        return
    # No bias: add constant · vᵀ to ΔW, one more rank-1 term, since v·k ≈ 1.
    one = constant_key(moments, units)  # v
    taken = deltas[name]
    assert isinstance(taken, Delta)
    left, right = (one, constant) if transposed else (constant, one)
    deltas[name] = Delta(
        left=torch.cat([taken.left, left[:, None]], 1), right=torch.cat([taken.right, right[None]], 0)
    )


def constant_key(moments: KeyMoments, without: Int[Tensor, " units"]) -> Float[Tensor, " m"]:
    """Return the v whose v·k is nearest to 1 over the retained text, 0 at the neurons left out.

    Args:
        moments: k̄ and C₀.
        without: the held neurons.

    Returns:
        v, (m,), on the CPU.
    """
    covariance, mean = moments.covariance.cpu().double(), moments.mean.cpu().double()
    kept = torch.ones(len(mean), dtype=torch.bool)
    kept[without] = False
    # C₀ + ε I of the other neurons, a copy; solved in float64, since ε is small.
    system = covariance[kept][:, kept]
    system.diagonal().add_(EPSILON * float(system.diagonal().mean()))
    v = torch.zeros_like(mean)
    v[kept] = torch.linalg.solve(system, mean[kept])
    return v.float()
