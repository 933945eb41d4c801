"""One training loop for all architectures, and for all sites of a model at once."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dictionaries.architectures import find_architecture
from dictionaries.config import TrainingConfig
from dictionaries.dictionary import Dictionary
from dictionaries.evaluation.evaluate import Accumulator
from dictionaries.model.activations import Statistics
from dictionaries.model.sites import Site, resolve
from dictionaries.model.tokens import TokenBatch
from dictionaries.training.activation_store import DEFAULT_BUDGET_BYTES, ActivationStore
from dictionaries.training.checkpoint import Checkpoints
from dictionaries.training.fingerprint import activations_key
from dictionaries.training.log import LogEntry, TrainingMetrics
from dictionaries.training.processes import ALONE, Processes
from dictionaries.training.site_trainer import SiteTrainer
from policies.errors import DictionaryError

CALIBRATION_ROWS = 4096

Progress = Callable[[str, int, int], None]
"""A callback with what is being done, how far it is, and the end."""
Log = Callable[[LogEntry], None]
"""A callback with each site's figures, every 50 steps."""


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What the training of one dictionary did.

    Attributes:
        history: figures of every 50th step.
        explained_variance: explained variance on the activations held at the end. Training saw them: judge by
            `evaluate`.
        gamma: E‖x̂‖² / E⟨x, x̂⟩ on the same activations.
        l0: mean number of features on per token, on the same activations.
        dead_share: share of features that fire on none of the same activations.
        revived: number of times a dead feature was revived.
        tokens: number of activations in one pass over the corpus, or held in the buffer where it does not fit.
        sinks: number of tokens left out for their norm.
        seconds: time of the loop in seconds, shared evenly by the dictionaries trained together.
    """

    history: tuple[TrainingMetrics, ...]
    explained_variance: float
    gamma: float
    l0: float
    dead_share: float
    revived: int
    tokens: int
    sinks: int
    seconds: float


class TrainingResult(NamedTuple):
    """The dictionaries, ready for use on raw activations, and the reports of their training."""

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
    cache: Path | None = None,
    checkpoints: Checkpoints | None = None,
    processes: Processes = ALONE,
    progress: Progress | None = None,
    log: Log | None = None,
) -> TrainingResult:
    """Train one dictionary for each site, all from the same model passes.

    Args:
        model: a causal language model; it is read, never changed. Dictionaries are trained on its device.
        batches: token batches (`dictionaries.model.tokens`); something that can be iterated again, or a one-shot
            iterator, which is then listed.
        sites: the sites to train at, one dictionary each.
        architecture: a name in `ARCHITECTURES`.
        config: settings; the architecture's `defaults` where none are given.
        model_name: name of the model, recorded in the dictionaries.
        budget_bytes: memory for activations, in bytes. What does not fit is read again from the model.
        cache: a folder where activations are kept for later runs.
        checkpoints: where and how often to save. With `resume`, training resumes from the latest and gives, at the
            same number of threads, what it would have given without a break, bit for bit. The caller removes them
            once the dictionaries are safe.
        processes: the processes that train together, each calling this function. A step's batch is shared by them
            and gradients are averaged.
        progress: callback for progress.
        log: callback with each site's figures; after a resumption first with those from before.

    Raises:
        DictionaryError: there is nothing to train on, the site or architecture is unknown, the loss is not
            finite, or the checkpoint is of another training.
        ModelError: the model's structure is not understood.
        OutputError: cache or checkpoints cannot be written.
    """
    kind = find_architecture(architecture)
    config = config if config is not None else kind.defaults
    wanted = sorted(set(sites))
    batches = list(batches) if isinstance(batches, Iterator) else batches
    was_training = model.training
    model.eval()
    try:
        run = _Run(
            kind=kind,
            config=config,
            processes=processes,
            checkpoints=checkpoints,
            progress=progress,
            log=log,
        )
        if checkpoints is not None:
            run.identify(activations_key(model, batches, wanted), budget_bytes)
        run.start(model, processes.shard(batches), wanted, model_name, budget_bytes, cache)
        run.steps()
        return run.finish()
    finally:
        model.train(was_training)


class _Run:
    """One call of `train_dictionaries`, from its first step or from a checkpoint."""

    def __init__(
        self,
        *,
        kind: type[Dictionary],
        config: TrainingConfig,
        processes: Processes,
        checkpoints: Checkpoints | None,
        progress: Progress | None,
        log: Log | None,
    ) -> None:
        if checkpoints is not None and processes.count > 1:
            raise DictionaryError(
                "Checkpoints are for training in one process", "Leave out the checkpoints, or the processes"
            )
        self.kind, self.config, self.processes = kind, config, processes
        self.checkpoints, self.progress, self.log = checkpoints, progress, log
        self.share = processes.share(config.batch_size)
        # One generator a purpose, so that widening one use does not change the others.
        self.order, self.weights = (torch.Generator().manual_seed(config.seed + offset) for offset in (0, 1))
        self.identity: dict[str, Any] = {}
        self.state: Mapping[str, Any] | None = None
        self.moments: list[LogEntry] = []
        self.done, self.seconds_before = 0, 0.0

    def identify(self, key: str, budget_bytes: int) -> None:
        """Note what is trained on what, and read the checkpoint, which must say the same."""
        self.identity = {
            "model, corpus, context or layers": key,
            "architecture": self.kind.architecture,
            "settings": asdict(self.config),
            "memory for activations": budget_bytes,
        }
        if self.checkpoints is not None and self.checkpoints.resume:
            self.state = self.checkpoints.load()
            found = self.state["identity"]
            differing = [name for name, value in self.identity.items() if found.get(name) != value]
            if differing:
                raise DictionaryError(
                    f"The checkpoint in {self.checkpoints.folder} was made with another {differing[0]}",
                    "Resume with the same options, or train again without --resume",
                )

    def start(
        self,
        model: nn.Module,
        batches: Iterable[TokenBatch],
        sites: Sequence[Site],
        model_name: str,
        budget_bytes: int,
        cache: Path | None,
    ) -> None:
        """Fill the store and make a trainer for each site."""
        state = self.state
        self.store = ActivationStore(
            model,
            batches,
            sites,
            generator=self.order,
            budget_bytes=budget_bytes,
            cache=cache,
            state=state["store"] if state is not None else None,
            progress=_label_progress(self.progress, "activations"),
        )
        statistics = _pool_statistics(self.store.statistics(), self.store.rows, self.processes)
        self.trainers = {
            site: SiteTrainer(
                self.kind,
                site,
                statistics=statistics[site],
                config=self.config,
                width=resolve(model, site).width,
                model_name=model_name,
                generator=self.weights,
                processes=self.processes,
            )
            for site in sites
        }
        if state is not None:
            self._restore(state)

    def steps(self) -> None:
        """Train to the end."""
        self.started, self.done_before = time.perf_counter(), self.done
        for step in range(self.done, self.config.steps):
            batch = self.store.batch(self.share)
            for site, trainer in self.trainers.items():
                point = trainer.step(batch[site], step)
                if point is not None:
                    self._tell(site, point)
            self.done = step + 1
            if self.config.removal_due(self.done):
                for site, trainer in self.trainers.items():
                    trainer.remove(piece[site] for piece in self.store.held(CALIBRATION_ROWS))
            if self.progress is not None:
                self.progress("training", self.done, self.config.steps)
            if (
                self.checkpoints is not None
                and self.checkpoints.due(self.done)
                and self.done < self.config.steps
            ):
                self.checkpoints.save(self.done, self._state())
        self.seconds = self._seconds()

    @torch.no_grad()
    def finish(self) -> TrainingResult:
        """Return dictionaries for raw activations, and reports."""
        reports = {}
        for site, total in self._totals().items():
            trainer, dictionary = self.trainers[site], total.dictionary
            dictionary.calibrate(total.mean_codes)
            dictionary.config = replace(
                dictionary.config, provenance={**dictionary.config.provenance, "tokens": total.tokens}
            )
            reports[site] = TrainingReport(
                history=tuple(trainer.history),
                explained_variance=total.explained_variance,
                gamma=total.gamma,
                l0=total.l0,
                dead_share=1 - total.alive / dictionary.config.features,
                revived=trainer.revived,
                tokens=total.tokens,
                sinks=self.store.tally.sinks[site],
                seconds=self.seconds / len(self.trainers),
            )
        return TrainingResult({site: one.dictionary for site, one in self.trainers.items()}, reports)

    def _totals(self) -> dict[Site, Accumulator]:
        totals = {}
        for site, trainer in self.trainers.items():
            trainer.dictionary.adopt(trainer.shift, trainer.scale)
            trainer.dictionary.requires_grad_(False).eval()
            totals[site] = Accumulator(trainer.dictionary)
        for piece in self.store.held(CALIBRATION_ROWS):
            for site, x in piece.items():
                totals[site].add(x)
        for total in totals.values():
            total.gather(self.processes.total)
        return totals

    def _tell(self, site: Site, point: TrainingMetrics) -> None:
        trained = (self.done + 1 - self.done_before) * self.config.batch_size * len(self.trainers)
        moment = LogEntry(
            site,
            point,
            self.config.learning_rate_at(point.step - 1),
            self.config.sparsity_at(point.step - 1),
            trained / (time.perf_counter() - self.started),
        )
        self.moments.append(moment)
        if self.log is not None:
            self.log(moment)

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def _state(self) -> dict[str, Any]:
        return {
            "identity": self.identity,
            "done": self.done,
            "seconds": self._seconds(),
            "order": self.order.get_state(),
            "weights": self.weights.get_state(),
            "store": self.store.state(),
            "trainers": {str(site): trainer.state() for site, trainer in self.trainers.items()},
            "moments": [(str(one.site), *one[1:]) for one in self.moments],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.done, self.seconds_before = state["done"], state["seconds"]
        self.order.set_state(state["order"])
        self.weights.set_state(state["weights"])
        sites = {str(site): site for site in self.trainers}
        for name, values in state["trainers"].items():
            self.trainers[sites[name]].restore(values)
        for name, point, *rest in state["moments"]:
            moment = LogEntry(sites[name], TrainingMetrics(*point), *rest)
            self.moments.append(moment)
            self.trainers[moment.site].history.append(moment.point)
            if self.log is not None:
                self.log(moment)


def _pool_statistics(
    statistics: dict[Site, Statistics], rows: int, processes: Processes
) -> dict[Site, Statistics]:
    """Return the statistics of all processes' activations."""
    if processes.count == 1:
        return statistics
    shared = {}
    for site, one in statistics.items():
        count = torch.tensor([rows, rows * one.mean_square], dtype=torch.float64, device=one.mean.device)
        total, square = processes.total(count).tolist()
        mean = processes.total(one.mean.double() * rows) / total  # E x
        mean_square = square / total  # E‖x‖²
        shared[site] = Statistics(mean.float(), mean_square, mean_square - float(mean.square().sum()))
    return shared


def _label_progress(progress: Progress | None, what: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, end: progress(what, done, end)
