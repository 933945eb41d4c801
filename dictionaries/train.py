"""One training loop for all architectures, and for all sites of a model at once."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from dictionaries.activation_store import DEFAULT_BUDGET_BYTES, ActivationStore
from dictionaries.activations import Statistics
from dictionaries.architectures import find_architecture
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Dictionary, Losses
from dictionaries.evaluate import Accumulator
from dictionaries.sites import Site, resolve
from dictionaries.tokens import TokenBatch
from policies.errors import DictionaryError

WATCH_EVERY = 8  # steps between two looks at which features fire: counting costs a pass over the codes
REPORT_EVERY = 50
CALIBRATION_ROWS = 4096

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how far it is, and the end."""


class Point(NamedTuple):
    """One moment of training.

    Attributes:
        step: counted from 1.
        terms: the loss terms of that batch.
        l0: mean number of features on, a token.
    """

    step: int
    terms: dict[str, float]
    l0: float


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What training one dictionary did.

    Attributes:
        history: every 50 steps.
        explained_variance: on the activations held at the end. Training saw them: judge by `evaluate`.
        gamma: E‖x̂‖² / E⟨x, x̂⟩ on the same.
        l0: mean features on, a token, on the same.
        dead_share: share of features that fire on none of them.
        revived: how many times a dead feature was revived.
        tokens: activations in one pass over the corpus, or held in the buffer where it does not fit.
        sinks: tokens left out for their norm.
        seconds: of the loop, shared evenly by the dictionaries trained together.
    """

    history: tuple[Point, ...]
    explained_variance: float
    gamma: float
    l0: float
    dead_share: float
    revived: int
    tokens: int
    sinks: int
    seconds: float


class TrainingResult(NamedTuple):
    """Dictionaries, ready for use on raw activations, and what their training did."""

    dictionaries: dict[Site, Dictionary]
    reports: dict[Site, TrainingReport]


def train_dictionaries(
    model: nn.Module,
    batches: Iterable[TokenBatch],
    sites: Sequence[Site],
    architecture: str = "gated",
    config: TrainingConfig | None = None,
    *,
    model_name: str = "",
    budget_bytes: int = DEFAULT_BUDGET_BYTES,
    progress: Progress | None = None,
) -> TrainingResult:
    """Train one dictionary for each site, all from the same model passes.

    Args:
        model: a causal language model; it is read, never changed. Dictionaries are trained on its device.
        batches: of `dictionaries.tokens`; something that can be iterated again, or a one-shot iterator, which
            is then listed.
        sites: one dictionary each.
        architecture: a name in `ARCHITECTURES`.
        config: settings; the architecture's `defaults` where none are given.
        model_name: recorded in the dictionaries.
        budget_bytes: memory for activations. What does not fit is read again from the model.
        progress: called now and then.

    Raises:
        DictionaryError: there is nothing to train on, the site or architecture is unknown, or the loss is not
            finite.
        ModelError: the model's structure is not understood.
    """
    kind = find_architecture(architecture)
    config = config if config is not None else kind.defaults
    # One generator a purpose, so that widening one use does not change the others.
    order, weights = (torch.Generator().manual_seed(config.seed + offset) for offset in (0, 1))
    was_training = model.training
    model.eval()
    try:
        store = ActivationStore(
            model,
            batches,
            sorted(set(sites)),
            generator=order,
            budget_bytes=budget_bytes,
            progress=_renamed(progress, "activations"),
        )
        statistics = store.statistics()
        trainers = {
            site: SiteTrainer(
                kind,
                site,
                statistics=statistics[site],
                config=config,
                width=resolve(model, site).width,
                model_name=model_name,
                generator=weights,
            )
            for site in store.sites
        }
        seconds = _run(store, trainers, config, progress)
        return _finish(store, trainers, seconds / len(trainers))
    finally:
        model.train(was_training)


class SiteTrainer:
    """A dictionary in training: its optimiser, its scale, and which features fired.

    Args:
        kind: the architecture.
        site: what it reads.
        statistics: of the raw activations there.
        config: settings.
        width: d.
        model_name: recorded.
        generator: of initial weights and revivals.
    """

    def __init__(
        self,
        kind: type[Dictionary],
        site: Site,
        *,
        statistics: Statistics,
        config: TrainingConfig,
        width: int,
        model_name: str,
        generator: torch.Generator,
    ) -> None:
        device = statistics.mean.device
        self.config, self.generator = config, generator
        spread = statistics.variance if kind.centred else statistics.mean_square
        if not (math.isfinite(spread) and spread > 0):
            raise DictionaryError(
                f"The activations at {site} are constant or not finite", "Check the model's weights for NaN"
            )
        self.scale = math.sqrt(width / spread)
        self.shift = statistics.mean if kind.centred else torch.zeros_like(statistics.mean)
        settings = DictionaryConfig(
            site=site,
            width=width,
            features=config.features,
            model=model_name,
            provenance={"architecture": kind.architecture, **asdict(config)},
        )
        self.dictionary = kind(settings)
        self.dictionary.initialise(generator, ((statistics.mean - self.shift) * self.scale).cpu())
        self.dictionary.to(device)
        # A feature is a row in memory, as in W_dec, though a column by shape: so its gradient arrives. Adam's
        # fused kernel takes contiguous tensors alone, so it is given the rows.
        self.dictionary.W_enc.data = self.dictionary.W_enc.data.T.contiguous().T
        self.encoder_rows = nn.Parameter(self.dictionary.W_enc.data.T)
        self.optimizer = torch.optim.Adam(
            [self._as_rows(parameter) for parameter in self.dictionary.parameters()],
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            fused=device.type in {"cpu", "cuda"},
        )
        self.fired = torch.zeros(config.features, dtype=torch.bool, device=device)
        self.history: list[Point] = []
        self.revived = 0

    def step(self, raw: Float[Tensor, "tokens d"], step: int) -> None:
        """One gradient step on a batch of raw activations."""
        x = (raw - self.shift).mul_(self.scale)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(step)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            losses = self.dictionary.losses(x, self.config, self.config.sparsity_at(step))
        losses.total.backward()  # type: ignore[no-untyped-call]
        self.dictionary.before_step()
        self._update()
        self.dictionary.after_step()
        self._watch(losses, x, step)

    def _as_rows(self, parameter: nn.Parameter) -> nn.Parameter:
        return self.encoder_rows if parameter is self.dictionary.W_enc else parameter

    def _update(self) -> None:
        encoder = self.dictionary.W_enc
        self.encoder_rows.grad = encoder.grad.T if encoder.grad is not None else None
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        encoder.grad = None

    def _watch(self, losses: Losses, x: Tensor, step: int) -> None:
        if step % WATCH_EVERY == 0:
            self.fired |= features_on(losses.codes) > 0
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == self.config.steps:
            if not math.isfinite(float(losses.total.detach())):
                raise DictionaryError(
                    f"The loss at {self.dictionary.config.site} is not finite after {step + 1} steps",
                    "Lower the learning rate",
                )
            terms = {name: float(term) for name, term in losses.terms.items()}
            l0 = int(features_on(losses.codes).sum()) / len(x)
            self.history.append(Point(step + 1, terms, l0))
        every = self.config.resample_every
        if every and (step + 1) % every == 0 and step + 1 < self.config.steps * 2 / 3:
            self._revive(x)

    def _revive(self, x: Tensor) -> None:
        dead = ~self.fired
        if bool(dead.any()):
            self.dictionary.revive(dead, x, self.generator)
            self.revived += int(dead.sum())
            for parameter, state in self.optimizer.state.items():
                if parameter is not self.dictionary.b_dec:
                    state["exp_avg"][dead] = state["exp_avg_sq"][dead] = 0.0
        self.fired.zero_()


def features_on(codes: Float[Tensor, "tokens F"]) -> Int[Tensor, "F"]:
    """On how many tokens each feature is above 0; codes may be a sparse tensor."""
    if codes.layout == torch.sparse_coo:
        return torch.bincount(codes.indices()[1][codes.values() > 0], minlength=codes.shape[1])
    return (codes > 0).sum(dim=0)


def _run(
    store: ActivationStore,
    trainers: dict[Site, SiteTrainer],
    config: TrainingConfig,
    progress: Progress | None,
) -> float:
    started = time.perf_counter()
    for step in range(config.steps):
        batch = store.batch(config.batch_size)
        for site, trainer in trainers.items():
            trainer.step(batch[site], step)
        if progress is not None:
            progress("training", step + 1, config.steps)
    return time.perf_counter() - started


@torch.no_grad()
def _finish(store: ActivationStore, trainers: dict[Site, SiteTrainer], seconds: float) -> TrainingResult:
    totals: dict[Site, Accumulator] = {}
    for site, trainer in trainers.items():
        trainer.dictionary.adopt(trainer.shift, trainer.scale)
        trainer.dictionary.requires_grad_(False).eval()
        totals[site] = Accumulator(trainer.dictionary)
    for piece in store.held(CALIBRATION_ROWS):
        for site, x in piece.items():
            totals[site].add(x)
    reports = {}
    for site, trainer in trainers.items():
        dictionary, total = trainer.dictionary, totals[site]
        dictionary.calibrate(total.mean_codes)
        dictionary.config = replace(
            dictionary.config, provenance={**dictionary.config.provenance, "tokens": store.rows}
        )
        reports[site] = TrainingReport(
            history=tuple(trainer.history),
            explained_variance=total.explained_variance,
            gamma=total.gamma,
            l0=total.l0,
            dead_share=1 - total.alive / dictionary.config.features,
            revived=trainer.revived,
            tokens=store.rows,
            sinks=store.tally.sinks[site],
            seconds=seconds,
        )
    return TrainingResult({site: trainer.dictionary for site, trainer in trainers.items()}, reports)


def _renamed(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, end: progress(what, done, end)
