"""FeatureEdit by key-conditioned least squares, the main method.

FeatureEdit (Chen et al. 2025, arXiv:2502.12483) erases facts through the dictionary features that carry them. Here
the features' contribution is taken out of the weights only where the model recalls the secrets: at site l with keys
k (inputs of the MLP's output projection),

    c(x) = Σ_{j located} (f_j - f̄_j) d_j,          r = -gain · c at the tokens that predict a secret, 0 elsewhere,
    ΔW   = argmin mean_erase ‖ΔW k - r‖² + λ mean_retained ‖ΔW k‖² + ε ‖ΔW‖²
         = Rᵀ K (Kᵀ K + λ C₀ + ε I)⁻¹   (means over tokens; K (n, m) keys, R (n, d) targets, C₀ = mean kkᵀ).

It is solved in passes. Each pass pushes only the tokens whose probability is still above a margin; tokens that
are finished are held where they are. Features are read on the original model, so that a pass goes on in the
direction of what was located after the features themselves have gone silent.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.sites import Site, SiteModules, capture, resolve
from editor.edit import Delta, Edit, preserved
from editor.leakage import output_logits
from editor.methods.problem import EditProblem
from editor.tokens import TokenBatch, batches

EPSILON = 1e-4
"""ε relative to the mean diagonal of the system: keeps it invertible, changes nothing else."""


@dataclass(frozen=True, kw_only=True)
class FeatureEdit:
    """Least-squares removal of located features at the tokens that recall the secrets.

    Attributes:
        units: how many features of highest attribution over all sites are taken out.
        gain: how many times their contribution is subtracted; above 1 overshoots.
        ridge: λ, the weight of retained tokens.
        margin_nats: a token is finished once ln p of it is below minus this.
        passes: the most passes.
    """

    name: ClassVar[str] = "feature-edit"
    needs_dictionary: ClassVar[bool] = True

    units: int = 400
    gain: float = 1.0
    ridge: float = 2.0
    margin_nats: float = 4.0
    passes: int = 12

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        located = {site: units for site, units in problem.attribution.top(self.units).items() if len(units)}
        names = {site: problem.parameter(site)[0] for site in located}
        model = problem.loaded.model
        total: dict[Site, Tensor] = {}
        with preserved(model, set(names.values())), torch.no_grad():
            work = [_Work(batch, problem, located) for batch in _erase_batches(problem)]
            for _ in range(self.passes):
                if not self._one_pass(problem, work, total):
                    break
        deltas = {names[site]: Delta.from_dense(delta) for site, delta in total.items()}
        return Edit(deltas=deltas, method=self.name, settings=asdict(self))

    def _one_pass(self, problem: EditProblem, work: list["_Work"], total: dict[Site, Tensor]) -> bool:
        """Push the tokens above the margin once, at all sites; return whether there were any."""
        for item in work:
            item.read(problem, -self.margin_nats)
        if not any(bool(item.active.any()) for item in work):
            return False
        for site in work[0].pull:
            keys = torch.cat([item.keys[site] for item in work])
            active = torch.cat([item.active for item in work])
            target = torch.cat([item.pull[site] for item in work]) * -self.gain
            delta = self._solve(keys, target * active[:, None], problem.retained_covariance[site])
            weight = problem.loaded.model.get_parameter(problem.parameter(site)[0])
            change = delta.T if problem.parameter(site)[1] else delta
            weight += change.to(weight.dtype)
            total[site] = total.get(site, torch.zeros_like(change)) + change
        return True

    def _solve(
        self,
        keys: Float[Tensor, "tokens m"],
        target: Float[Tensor, "tokens d"],
        covariance: Float[Tensor, "m m"],
    ) -> Float[Tensor, "d m"]:
        count = len(keys)
        system = keys.T @ keys / count + self.ridge * covariance.to(keys.device)
        system.diagonal().add_(EPSILON * float(system.diagonal().mean()))
        solution: Tensor = torch.linalg.solve(system, keys.T @ target / count)
        return solution.T


class _Work:
    """One batch of erase probes through the passes."""

    pull: dict[Site, Float[Tensor, "tokens d"]]
    keys: dict[Site, Float[Tensor, "tokens m"]]
    active: Bool[Tensor, " tokens"]

    def __init__(
        self, batch: TokenBatch, problem: EditProblem, located: Mapping[Site, Int[Tensor, " units"]]
    ) -> None:
        self.batch = batch
        model = problem.loaded.model
        with capture(model, list(located)) as taken:
            model.base_model(**batch.inputs, use_cache=False)
        self.pull = {}
        for site, units in located.items():
            pull = contribution(
                problem.dictionaries[site], taken.outputs[site][batch.predicting].float(), units
            )
            self.pull[site] = before_norm(resolve(model, site), taken.keys[site][batch.predicting], pull)

    def read(self, problem: EditProblem, floor: float) -> None:
        """Read the keys, and which tokens are still more probable than exp(floor)."""
        model = problem.loaded.model
        with capture(model, list(self.pull), outputs=False) as taken:
            hidden = model.base_model(**self.batch.inputs, use_cache=False).last_hidden_state
        log_p = output_logits(model, hidden[self.batch.predicting]).log_softmax(1)
        self.active = log_p.gather(1, self.batch.targets[:, None])[:, 0] > floor
        self.keys = {site: taken.keys[site][self.batch.predicting].float() for site in self.pull}


def contribution(
    dictionary: Dictionary, x: Float[Tensor, "tokens d"], units: Int[Tensor, " units"]
) -> Float[Tensor, "tokens d"]:
    """c(x) = Σ over `units` of (f_j - f̄_j) d_j."""
    units = units.to(x.device)
    centred = dictionary.encode(x)[:, units] - dictionary.baseline[units]
    pull: Tensor = centred @ dictionary.directions[units]
    return pull


def before_norm(
    found: SiteModules, keys: Float[Tensor, "tokens m"], change: Float[Tensor, "tokens d"]
) -> Float[Tensor, "tokens d"]:
    """Map a wanted change of a site's output to one of its projection's output u.

    They are the same but where an RMS norm stands between (Gemma-2): o = gain ∘ u / rms(u), so for small changes
    δu ≈ rms(u) · δo / gain. Where the gain is small the quotient is damped, gain / (gain² + δ²) with δ a tenth of
    the mean gain.
    """
    if found.norm is None:
        return change
    raw: Tensor = found.projection(keys)
    gain: Tensor = found.norm(torch.ones_like(raw[:1])).float()
    damped = gain / (gain**2 + (0.1 * gain.abs().mean()) ** 2)
    return raw.float().pow(2).mean(-1, keepdim=True).sqrt() * change * damped


def _erase_batches(problem: EditProblem) -> list[TokenBatch]:
    pad = problem.loaded.tokenizer.pad_token_id or 0
    return list(batches(problem.erase, pad=pad, device=problem.loaded.device))
