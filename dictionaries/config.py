"""Settings: what a dictionary is, and how one is trained."""

import math
from dataclasses import dataclass, field
from typing import Literal

from dictionaries.model.sites import Site
from policies.errors import DictionaryError

GradientEstimator = Literal["sigmoid", "straight_through"]
Ramp = Literal["linear", "step"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class DictionaryConfig:
    """What a dictionary reads, and its sizes.

    Attributes:
        site: the stream that the dictionary decomposes.
        width: d, the width of the site's activations.
        features: F, the number of features.
        model: the model that the dictionary was trained on, as the user named it.
        provenance: settings and figures of the training, for people; nothing is computed from them.

    Raises:
        DictionaryError: width or features is below 1.
    """

    site: Site
    width: int
    features: int
    model: str = ""
    provenance: dict[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.width < 1 or self.features < 1:
            raise DictionaryError(
                f"A dictionary of width {self.width} with {self.features} features cannot exist",
                "Both must be at least 1",
            )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of one dictionary's training. Each architecture has its own `defaults`; change them by `replace`.

    Losses are means over tokens of activations scaled so that E‖x‖² = d: the unit of the weights below.

    Attributes:
        features: F, the number of features.
        steps: number of gradient steps.
        batch_size: number of tokens per step.
        learning_rate: Adam's learning rate, reached after the warm-up.
        beta1: Adam's decay of the mean gradient. 0 in both papers on sparse autoencoders followed here.
        beta2: Adam's decay of the squared gradient.
        learning_rate_warmup_steps: number of steps over which the learning rate rises linearly from 0.
        learning_rate_decay_share: share of the steps, at the end, over which the learning rate falls linearly to 0.
        sparsity: λ, the weight of each token's Σ relu(π); for the binary autoencoder α_e, the weight of the
            entropy in bits.
        sparsity_warmup_steps: number of steps over which the sparsity weight rises.
        sparsity_ramp: shape of that rise: `linear`, or `step` (nothing before the warm-up's end, everything after).
        covariance_weight: α_c of the binary autoencoder. 0 saves the cost of the term.
        estimator: gradient of the binary autoencoder's step function.
        k: number of features on per token, in the architectures that keep the largest ones.
        bandwidth: ε, the width of JumpReLU's straight-through kernel.
        clip_norm: largest Euclidean norm of a step's whole gradient; 0 for any. The first gradients are hundreds of
            times those of the end, and Adam's decay of 0.999 remembers them for a thousand steps: in short runs a
            norm of 1 gives sparser and better dictionaries at the same λ.
        resample_every: number of steps between two revivals of features that were silent since the last; 0 for
            never. None happens in the last third of training.
        removal_every: number of steps between two removals of bits whose absence lowers the loss; 0 for never. The
            first comes after the sparsity weight's warm-up; each fits the decoder again. For the binary
            autoencoder alone, at F³ operations each time.
        precision: `bfloat16` runs the products under autocast; parameters stay in float32.
        seed: seed of the initial weights, the order of activations and the revivals.

    Raises:
        DictionaryError: a setting is out of its range.
    """

    features: int = 1024
    steps: int = 1800
    batch_size: int = 256
    learning_rate: float = 3e-3
    beta1: float = 0.0
    beta2: float = 0.999
    learning_rate_warmup_steps: int = 50
    learning_rate_decay_share: float = 0.2
    sparsity: float = 2.0
    sparsity_warmup_steps: int = 100
    sparsity_ramp: Ramp = "linear"
    covariance_weight: float = 0.0
    estimator: GradientEstimator = "sigmoid"
    k: int = 32
    bandwidth: float = 1.0
    clip_norm: float = 0.0
    resample_every: int = 0
    removal_every: int = 0
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("features", "steps", "batch_size", "learning_rate", "k", "bandwidth")
        for name in positive:
            if not getattr(self, name) > 0:
                raise DictionaryError(f"`{name}` is {getattr(self, name)}", f"Give a {name} above 0")
        for name in ("sparsity", "covariance_weight", "clip_norm", "resample_every", "removal_every"):
            if not 0 <= getattr(self, name) < math.inf:
                raise DictionaryError(
                    f"`{name}` is {getattr(self, name)}", f"Give a finite {name}, 0 or more"
                )

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rise = min(1.0, (step + 1) / max(1, self.learning_rate_warmup_steps))
        decay_steps = max(1.0, self.learning_rate_decay_share * self.steps)
        fall = min(1.0, (self.steps - step) / decay_steps)
        return self.learning_rate * rise * fall

    def removal_due(self, done: int) -> bool:
        """Return whether bits are removed after this many steps."""
        return (
            self.removal_every > 0 and done % self.removal_every == 0 and done >= self.sparsity_warmup_steps
        )

    def sparsity_at(self, step: int) -> float:
        """Return the sparsity weight of a step, counted from 0."""
        if self.sparsity_ramp == "step":
            return self.sparsity if step >= self.sparsity_warmup_steps else 0.0
        return self.sparsity * min(1.0, (step + 1) / max(1, self.sparsity_warmup_steps))
