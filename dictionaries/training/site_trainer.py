"""The training of one dictionary: its steps, its figures, and revivals and removals of features."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.architectures.binary import BinaryAutoencoder
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Dictionary, Losses
from dictionaries.model.activations import Statistics
from dictionaries.model.sites import Site
from dictionaries.training.log import TrainingMetrics
from dictionaries.training.processes import ALONE, Processes
from dictionaries.training.removal import BitMoments, remove_unpaid
from policies.errors import DictionaryError

WATCH_EVERY = 8  # steps between two looks at which features fire
REPORT_EVERY = 50
DEAD_STEPS = 500


class SiteTrainer:
    """A dictionary in training: its optimiser, its scale, and which features fired.

    Args:
        kind: the architecture.
        site: the site that the dictionary reads.
        statistics: moments of the raw activations at the site.
        config: settings of the training.
        width: d, the width of the activations.
        model_name: name of the model, recorded in the dictionary.
        generator: generator of initial weights and revivals.
        processes: the processes that train together.

    Raises:
        DictionaryError: the activations are constant or not finite, or bits are to be removed of another
            architecture than the binary one.
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
        processes: Processes = ALONE,
    ) -> None:
        device = statistics.mean.device
        if config.removal_every and not issubclass(kind, BinaryAutoencoder):
            raise DictionaryError(
                f"A {kind.architecture} dictionary has no bits to remove", "Give a `removal_every` of 0"
            )
        self.config, self.generator, self.processes = config, generator, processes
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
        self.last_fired = torch.zeros(config.features, dtype=torch.long, device=device)
        self.history: list[TrainingMetrics] = []
        self.revived = 0

    def step(self, raw: Float[Tensor, "tokens d"], step: int) -> TrainingMetrics | None:
        """Take one gradient step on a batch of raw activations; return figures every 50 steps and at the end.

        Raises:
            DictionaryError: the loss is not finite; it is looked at when figures are due.
        """
        x = (raw - self.shift).mul_(self.scale)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(step)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            losses = self.dictionary.losses(x, self.config, self.config.sparsity_at(step))
        losses.total.backward()  # type: ignore[no-untyped-call]
        gradients = (parameter.grad for parameter in self.dictionary.parameters())
        self.processes.average_(gradient for gradient in gradients if gradient is not None)
        if self.config.clip_norm:
            nn.utils.clip_grad_norm_(self.dictionary.parameters(), self.config.clip_norm)
        self.dictionary.before_step()
        self._update()
        self.dictionary.after_step()
        return self._watch(losses, x, step)

    @torch.no_grad()
    def remove(self, rows: Iterable[Float[Tensor, "n d"]]) -> None:
        """Remove bits that do not pay for themselves on these raw activations, at the full sparsity weight.

        Raises:
            TypeError: the dictionary is not binary.
        """
        dictionary, config = self.dictionary, self.config
        if not isinstance(dictionary, BinaryAutoencoder):
            raise TypeError(f"{type(dictionary).__name__} has no bits")
        moments = BitMoments(config.features, len(self.shift), self.shift.device)
        for raw in rows:
            x = (raw - self.shift).mul_(self.scale)
            moments.add(dictionary.encode_scaled(x), x)
        moments.gather(self.processes.total)
        off = remove_unpaid(dictionary, moments, config.sparsity, config.covariance_weight)
        self.processes.follow_(parameter.data for parameter in dictionary.parameters())
        self._forget(off)

    def state(self) -> dict[str, Any]:
        """Return everything that training has changed, as nested tensors and plain values.

        An architecture may keep plain tensors as attributes while it trains; they are included.
        """
        kept = {name: value for name, value in vars(self.dictionary).items() if isinstance(value, Tensor)}
        optimizer = self.optimizer.state_dict()["state"]
        return {
            "dictionary": self.dictionary.state_dict(),
            "kept": kept,
            "optimizer": {str(index): values for index, values in optimizer.items()},
            "scale": self.scale,
            "shift": self.shift,
            "fired": self.fired,
            "last_fired": self.last_fired,
            "revived": self.revived,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Resume from a `state()` of a trainer with the same settings."""
        device = self.shift.device
        self.dictionary.load_state_dict(state["dictionary"])
        for name, value in state["kept"].items():
            setattr(self.dictionary, name, value.to(device))
        optimizer = {int(index): values for index, values in state["optimizer"].items()}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": optimizer, "param_groups": groups})
        self.scale, self.revived = state["scale"], state["revived"]
        for name in ("shift", "fired", "last_fired"):
            setattr(self, name, state[name].to(device))

    def _as_rows(self, parameter: nn.Parameter) -> nn.Parameter:
        return self.encoder_rows if parameter is self.dictionary.W_enc else parameter

    def _update(self) -> None:
        encoder = self.dictionary.W_enc
        self.encoder_rows.grad = encoder.grad.T if encoder.grad is not None else None
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        encoder.grad = None

    def _watch(self, losses: Losses, x: Tensor, step: int) -> TrainingMetrics | None:
        config, point = self.config, None
        if step % WATCH_EVERY == 0:
            fired = any_on(losses.codes)
            self.fired |= fired
            self.last_fired.masked_fill_(fired, step)
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == config.steps:
            point = self._figures(losses, len(x), step)
            self.history.append(point)
        every = config.resample_every
        if every and (step + 1) % every == 0 and step + 1 < config.steps * 2 / 3:
            self._revive(x)
        return point

    def _figures(self, losses: Losses, tokens: int, step: int) -> TrainingMetrics:
        # A gate that is NaN is not open, so the loss alone may not show it.
        finite = all(bool(torch.isfinite(parameter).all()) for parameter in self.dictionary.parameters())
        if not (finite and math.isfinite(float(losses.total.detach()))):
            raise DictionaryError(
                f"The loss at {self.dictionary.config.site} is not finite after {step + 1} steps",
                "Lower the learning rate",
            )
        terms = {name: float(term) for name, term in losses.terms.items()}
        dead = float((step - self.last_fired > DEAD_STEPS).double().mean())
        return TrainingMetrics(step + 1, terms, count_on(losses.codes) / tokens, dead)

    def _revive(self, x: Tensor) -> None:
        dead = self.processes.total(self.fired.long()) == 0
        if bool(dead.any()):
            self.dictionary.revive(dead, x, self.generator)
            self.processes.follow_(parameter.data for parameter in self.dictionary.parameters())
            self.revived += int(dead.sum())
            self._forget(dead)
        self.fired.zero_()

    def _forget(self, features: Bool[Tensor, "F"]) -> None:
        for parameter, state in self.optimizer.state.items():
            if parameter is not self.dictionary.b_dec:
                state["exp_avg"][features] = state["exp_avg_sq"][features] = 0.0


def any_on(codes: Float[Tensor, "tokens F"]) -> Bool[Tensor, "F"]:
    """Return which features are above 0 for at least one token; codes may be a sparse tensor."""
    if codes.layout == torch.sparse_coo:
        fired = torch.zeros(codes.shape[1], dtype=torch.bool, device=codes.device)
        fired[codes.indices()[1][codes.values() > 0]] = True
        return fired
    return codes.amax(dim=0) > 0


def count_on(codes: Float[Tensor, "tokens F"]) -> int:
    """Return how many codes are above 0; codes may be a sparse tensor."""
    return int(torch.count_nonzero((codes.values() if codes.is_sparse else codes) > 0))
