"""FeatureEdit by key-conditioned least squares: in seconds, and the coarser of two ways.

FeatureEdit (Chen et al. 2025, arXiv:2502.12483) erases facts through the dictionary features that carry them. Here
the features' contribution is taken out of the weights only where the model recalls the secrets. With o the output
of a site, k its keys (inputs of the MLP's output projection), (f, d) its dictionary's codes and directions, and
g_t = ∂ Σ_u ln p(secret token u) / ∂o where secret token t is predicted; of its secret's tokens u, only t and later ones
depend on o there:

    c_t = Σ_{j located} (f_j - f̄_j) d_j · [(f_j - f̄_j) ⟨g_t, d_j⟩ > 0]       features that promote the secret from t on
    r_t = -α_t w_t c_t,   α_t = min(gain, need_t / Σ_sites w_t ⟨g_t, c_t⟩),   need_t = ln p_t - target_t, 0 if negative
    w_t = q_t / max_sites q_t,   q_t = kᵀ (C₀ + ε I)⁻¹ k                        how far the key stands apart
    ΔW  = argmin mean_erase ‖ΔW k - r‖² + λ mean_retained ‖ΔW k‖² + ε ‖ΔW‖²
        = Rᵀ K (Kᵀ K/n + λ C₀ + ε I)⁻¹ / n            K (n, m), R (n, d), C₀ = mean kkᵀ over retained tokens

α_t is 0 where the sum below it is at most `LEAST_EFFECT`. The two ε are apart: `SEPARATION_EPSILON` in q, and that of
`editor.methods.shared.keyed`, which solves for ΔW. Where a norm follows the projection (Gemma-2), r is mapped through
it on the way.

A unit of change at key k costs the retained tokens 1/q_t at least, so each token is changed where its keys tell it from
them: not in a first layer that sees one token alone, as where attention and MLP run side by side (GPT-NeoX).

It is solved in passes: gradients and keys are read again after each, and tokens that have reached their target
are held where they are (r = 0). A token's target is what chance alone gives it (`editor.questions.chance`): a dash or a
domain that everybody has is left alone. Tokens that identify go below chance by a margin, because wordings that the
edit has not seen leak more than those it has; -floor_nats bounds the target from below. Codes f and the weights w are
those of the original model, so that a pass continues in the direction of what was located after the features have
gone silent.

k and ΔW belong to the projection that writes the site. The residual stream (resid_post) is written by two of its
layer, attention's output projection and the MLP's: each is given half of r, with its own keys, and its q is their mean.

Passes come in rounds. After each round, retained text that the edit damaged is repaired
(`editor.methods.features.repair`); the next round takes up what the repair brought back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.model.sites import Site, capture, resolve, writing_sites
from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods import METHODS
from editor.methods.features import RANDOM_FEATURES
from editor.methods.features.repair import Repair
from editor.methods.method import Control
from editor.methods.shared.changes import Changes
from editor.methods.shared.keyed import before_norm, keyed_change
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.token_targets import token_targets
from editor.model.forward import output_logits
from editor.model.shared_prefix import AnswerBatch, answer_batches

SEPARATION_EPSILON = 1e-3
"""ε relative to the mean diagonal of C₀ in q: a few thousand tokens do not settle its smallest directions."""
LATER_PASSES = 4
"""Largest number of passes in each round after the first."""
LEAST_EFFECT = 1e-3
"""Nats: a token on which the located features have no more effect than this is not pushed through them."""


@dataclass(frozen=True, kw_only=True)
class FeatureLeastSquares:
    """Least-squares removal of located features at the tokens that recall the secrets.

    Attributes:
        units: largest number of features taken out, those of highest attribution over all sites.
        gain: largest multiple of a contribution that one pass subtracts.
        ridge: λ, the weight of retained tokens.
        margin_nats: nats below chance to which the ln p of an identifying token must fall.
        floor_nats: nats below 0 at which a token's ln p is low enough, whatever chance gives it.
        passes: largest number of passes in the first round.
        rounds: number of rounds, each of passes and a repair.
        warm_start_rounds: number of rounds of a fit that resumes from an edit.
        repairs: number of steps in a repair; 0 repairs nothing.
    """

    name: ClassVar[str] = "feature-least-squares"
    needs_dictionary: ClassVar[bool] = True
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "units": Range(low=50, high=1000, log=True, whole=True),
            "gain": Range(low=0.5, high=4.0, log=True),
            "ridge": Range(low=3.0, high=100.0, log=True),
            "margin_nats": Range(low=0.0, high=8.0),
        },
        strength="margin_nats",
        stronger=0.75,
        gentler=-1.0,
    )

    units: int = 400
    gain: float = 3.0
    ridge: float = 20.0
    margin_nats: float = 3.5
    floor_nats: float = 14.0
    passes: int = 12
    rounds: int = 3
    warm_start_rounds: int = 2
    repairs: int = 2

    def located(self, problem: EditProblem) -> Attribution:
        """Return the features' attribution."""
        return problem.attribution

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        return self._fit(problem, None)

    def fit_from(self, problem: EditProblem, start: Edit) -> Edit:
        """Return the edit, begun at one of the same sites, fitted by the same settings to part of the problem."""
        return self._fit(problem, start)

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return as many features a site drawn at random."""
        return (Control(METHODS["random-features"].make(like=self, norm=norm, seed=seed), RANDOM_FEATURES),)

    def _fit(self, problem: EditProblem, start: Edit | None) -> Edit:
        located = {site: units for site, units in problem.attribution.top(self.units).items() if len(units)}
        _ = problem.retained_reading  # C₀ and ln p₀, read while the model is the original one
        with Changes(problem, problem.writing(located), start) as changes:
            # Codes and keys of a batch are the original model's, also where `start` has changed it already.
            batches = answer_batches(problem.loaded, problem.erase)
            with changes.suspended():
                work = [_EraseBatch(batch, problem, located) for batch in batches]
            _set_weights(work, problem, located)
            repair = Repair(problem, changes, steps=self.repairs)
            for number in range(self.warm_start_rounds if start else self.rounds):
                keys = self._push(problem, work, changes, self.passes if number == 0 else LATER_PASSES)
                # A round takes up what a repair brought back; without a repair there is nothing to take up.
                if not repair.run(keys):
                    break
            return Edit(deltas=changes.deltas(), method=self.name, settings=asdict(self))

    def _push(
        self, problem: EditProblem, work: Sequence["_EraseBatch"], changes: Changes, passes: int
    ) -> dict[Site, Float[Tensor, "tokens m"]]:
        """Run the passes of one round; return the erased tokens' keys as the last one found them."""
        keys: dict[Site, Tensor] = {}
        for _ in range(passes):
            pushes = [item.read(self) for item in work]
            # K: the keys of all batches' tokens, by writing site.
            keys = {site: torch.cat([push.keys[site] for push in pushes]) for site in pushes[0].keys}
            if not any(push.active for push in pushes):
                break
            # All sites were read before any of them changes: a pass moves them together.
            for site, k in keys.items():
                # R: the wanted changes of the same tokens. ΔW = Rᵀ K (Kᵀ K/n + λ C₀ + ε I)⁻¹ / n
                target = torch.cat([push.targets[site] for push in pushes])
                changes.add(site, keyed_change(k, target, problem.retained_covariance[site], self.ridge))
        return keys


@dataclass(frozen=True, kw_only=True)
class _TargetUpdate:
    """What one pass wants of one batch.

    Attributes:
        keys: rows of K, by writing site.
        targets: rows of R, mapped through a norm where one follows the projection, by writing site.
        active: number of tokens that are not finished.
    """

    keys: dict[Site, Float[Tensor, "tokens m"]]
    targets: dict[Site, Float[Tensor, "tokens d"]]
    active: int


class _EraseBatch:
    """One batch of erase probes through the passes; made while the model is the original one.

    Attributes:
        chance: ln p of the batch's tokens by chance alone, in nats.
        codes: f_j - f̄_j of the located features, by site.
        directions: d_j of the located features, by site.
        original_keys: k of the original model, by writing site.
        weights: w_t, (tokens, 1), by site; `_set_weights` gives them.
    """

    def __init__(
        self, run: AnswerBatch, problem: EditProblem, located: Mapping[Site, Int[Tensor, " units"]]
    ) -> None:
        self.run, self.batch = run, run.answers
        batch = run.answers
        self.model = problem.loaded.model
        self.chance = torch.cat([problem.chance[index] for index in batch.indices])
        self.codes: dict[Site, Tensor] = {}
        self.directions: dict[Site, Tensor] = {}
        self.writing = problem.writing(located)
        before = run.read_before(self.model)
        with torch.no_grad(), capture(self.model, {*located, *self.writing}) as taken:
            run.hidden(self.model, before)
        self.original_keys = {site: taken.keys[site][batch.predicting].float() for site in self.writing}
        self.weights: dict[Site, Tensor] = {}
        for site, units in located.items():
            dictionary = problem.dictionaries[site]
            x = taken.outputs[site][batch.predicting].float()  # o at the tokens that predict the secrets
            self.codes[site] = centred_codes(dictionary, x, units)  # f_j - f̄_j
            self.directions[site] = dictionary.directions.detach()[units.to(x.device)]  # d_j

    def read(self, method: FeatureLeastSquares) -> _TargetUpdate:
        """Read the model as it stands: how far each token is from its target, and what promotes it."""
        sites, where = list(self.codes), self.batch.predicting
        before = self.run.read_before(self.model)
        with torch.enable_grad(), capture(self.model, {*sites, *self.writing}, grad=True) as taken:
            hidden = self.run.hidden(self.model, before)
            logits = output_logits(self.model, hidden[where])
            # ln p_t. One backward pass of their sum gives g_t at every t: no sequence depends on another.
            log_p = logits.log_softmax(1).gather(1, self.batch.targets[:, None])[:, 0]
            found = torch.autograd.grad(log_p.sum(), [taken.outputs[site] for site in sites])
        # g_t = ∂ Σ_u ln p_u / ∂o at t, by site.
        gradients = {site: g[where].float() for site, g in zip(sites, found, strict=True)}
        target = token_targets(self.chance, margin_nats=method.margin_nats, floor_nats=method.floor_nats)
        need = (log_p.detach() - target).clamp(min=0)  # need_t
        # w_t c_t, by site.
        pull = {site: self.weights[site] * self._select_promoting(site, gradients[site]) for site in sites}
        # Σ_sites w_t ⟨g_t, c_t⟩: to first order, what ln p loses from t on where w_t c_t is subtracted once.
        effect = torch.stack([(gradients[site] * pull[site]).sum(1) for site in sites]).sum(0)
        # α_t, before and after its bound.
        reach = torch.where(effect > LEAST_EFFECT, need / effect.clamp(min=LEAST_EFFECT), 0.0)
        strength = reach.clamp(max=method.gain)[:, None]
        # k of the model as it stands, where `original_keys` have those of w_t.
        keys = {site: taken.keys[site][where].detach() for site in self.writing}
        # r_t = -α_t w_t c_t, shared among the projections that write each site.
        wanted = self._share_out({site: -strength * pull[site] for site in sites})
        return _TargetUpdate(
            keys={site: key.float() for site, key in keys.items()},
            targets={
                site: before_norm(resolve(self.model, site), keys[site], change)
                for site, change in wanted.items()
            },
            active=int((need > 0).sum()),
        )

    def _share_out(
        self, changes: Mapping[Site, Float[Tensor, "tokens d"]]
    ) -> dict[Site, Float[Tensor, "tokens d"]]:
        """Return what each writing site is to change: a site's change in equal parts, one for each that writes it."""
        shares: dict[Site, Tensor] = {}
        for site, change in changes.items():
            writing = writing_sites(site)
            for one in writing:
                share = change / len(writing)
                shares[one] = shares[one] + share if one in shares else share
        return shares

    def _select_promoting(self, site: Site, gradient: Float[Tensor, "tokens d"]) -> Float[Tensor, "tokens d"]:
        """Return c_t: what the located features that promote each token contribute to the site's output."""
        codes, directions = self.codes[site], self.directions[site]
        # (f_j - f̄_j) ⟨g_t, d_j⟩ > 0, (tokens, units).
        promotes = codes * (gradient @ directions.T) > 0
        return (codes * promotes) @ directions  # Σ_j (f_j - f̄_j) d_j of those


def _set_weights(work: Sequence[_EraseBatch], problem: EditProblem, located: Iterable[Site]) -> None:
    """Give every batch its w_t, from one factorisation of each C₀ for all batches together."""
    writing = {site: problem.writing([site]) for site in located}
    keys = {site: torch.cat([item.original_keys[site] for item in work]) for site in problem.writing(writing)}
    weights = separation(writing, keys, problem.retained_covariance)
    sizes = [len(item.batch.targets) for item in work]
    for place, item in enumerate(work):
        item.weights = {site: torch.split(weight, sizes)[place] for site, weight in weights.items()}


@torch.no_grad()
def separation(
    writing: Mapping[Site, Sequence[Site]],
    keys: Mapping[Site, Float[Tensor, "tokens m"]],
    covariance: Mapping[Site, Float[Tensor, "m m"]],
) -> dict[Site, Float[Tensor, "tokens 1"]]:
    """Return how well each token's keys stand apart from the retained ones: w_t by site, 1 where they do best.

    Args:
        writing: sites that write each site; of several, the mean of q counts.
        keys: k of each token, by writing site.
        covariance: C₀ by writing site.
    """
    apart: dict[Site, Tensor] = {}
    for site, k in keys.items():
        # C₀ + ε I, in a copy: the problem keeps its C₀.
        system = covariance[site].to(k.device, copy=True)
        system.diagonal().add_(SEPARATION_EPSILON * float(system.diagonal().mean()))
        apart[site] = (k * torch.linalg.solve(system, k.T).T).sum(1)  # kᵀ (C₀ + ε I)⁻¹ k, row by row
    # q_t of each site, and max_sites q_t.
    q = {site: torch.stack([apart[one] for one in ones]).mean(0) for site, ones in writing.items()}
    best = torch.stack(list(q.values())).amax(0).clamp(min=torch.finfo(torch.float32).tiny)
    return {site: (value / best)[:, None] for site, value in q.items()}  # w_t


@torch.no_grad()
def centred_codes(
    dictionary: Dictionary, x: Float[Tensor, "tokens d"], units: Int[Tensor, " units"]
) -> Float[Tensor, "tokens units"]:
    """Return f_j - f̄_j of the named features.

    Args:
        dictionary: encoder that gives f, and baseline f̄: 0, or the running mean of a binary autoencoder.
        x: outputs o of the dictionary's site.
        units: the features j.
    """
    units = units.to(x.device)
    codes: Tensor = dictionary.encode(x)[:, units] - dictionary.baseline[units]
    return codes
