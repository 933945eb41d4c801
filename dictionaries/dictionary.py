"""What all dictionaries share: features in, features out, and the directions by which they write.

Locators, methods and reports know this interface alone: `encode`, `decode`, `directions` and `baseline`, all in
the raw units of the model's activations.
"""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.training.normalisation import InputNorm, normalised


class Losses(NamedTuple):
    """The objective on one training batch.

    Attributes:
        total: the value that is minimised.
        terms: the parts of the total by name, unweighted.
        codes: (tokens, F) features of the batch, detached; a sparse tensor (COO) where that is what was computed.
    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]
    codes: Float[Tensor, "tokens F"]


class Dictionary(nn.Module, ABC):
    """A dictionary of F features for one site of width d.

    Parameters `W_enc` (d, F), `W_dec` (F, d), `b_enc` (F), `b_dec` (d) act on s·x, where s is `input_scale`;
    every public method takes and gives raw units. Published dictionaries may put a norm on each token before
    (`input_norm`, see `dictionaries.training.normalisation`); those trained here do not.

    Attributes:
        architecture: the architecture's name in `ARCHITECTURES`.
        subtract_decoder_bias: whether `b_dec` is subtracted before encoding.
        centred: whether training subtracts the activations' mean first.
        defaults: the architecture's own settings of training.
        config: what the dictionary reads, and its sizes.
        input_scale: s, the factor on activations.
        input_norm: the norm put on each token before s.
    """

    architecture: ClassVar[str]
    subtract_decoder_bias: ClassVar[bool]
    centred: ClassVar[bool]
    defaults: ClassVar[TrainingConfig]

    W_enc: nn.Parameter
    W_dec: nn.Parameter
    b_enc: nn.Parameter
    b_dec: nn.Parameter

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__()
        self.config = config
        self.input_scale = input_scale
        self.input_norm: InputNorm = "none"
        self.W_enc = nn.Parameter(torch.zeros(config.width, config.features))
        self.W_dec = nn.Parameter(torch.zeros(config.features, config.width))
        self.b_enc = nn.Parameter(torch.zeros(config.features))
        self.b_dec = nn.Parameter(torch.zeros(config.width))

    def encode(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of activations in raw units."""
        x = x.to(self.W_enc.dtype)
        if self.input_norm == "none":
            return self.encode_scaled(x * self.input_scale)
        taken = normalised(x, self.input_norm)
        return self.encode_scaled(taken.x * self.input_scale) * taken.spread

    def decode(
        self, codes: Float[Tensor, "*tokens F"], x: Float[Tensor, "*tokens d"] | None = None
    ) -> Float[Tensor, "*tokens d"]:
        """Return the activations that features stand for, in raw units: (f W_dec + b_dec) / s.

        Args:
            codes: features f.
            x: the activations that were encoded; needed only where each token has a norm of its own, which is
                put back: shift + (f W_dec + spread·b_dec) / s.

        Raises:
            ValueError: the dictionary puts a norm on each token and `x` is missing.
        """
        if self.input_norm == "none":
            return (codes @ self.W_dec + self.b_dec) / self.input_scale
        if x is None:
            raise ValueError(f"A dictionary with {self.input_norm} decodes beside the activations it encoded")
        taken = normalised(x.to(self.W_dec.dtype), self.input_norm)
        return (codes @ self.W_dec + taken.spread * self.b_dec) / self.input_scale + taken.shift

    def forward(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens d"]:
        """Return the reconstruction x̂ of activations, in raw units."""
        return self.decode(self.encode(x), x)

    @property
    def directions(self) -> Float[Tensor, "F d"]:
        """The direction that a unit of each feature writes, in raw units.

        Feature j contributes (f_j - baseline_j)·directions[j] to the reconstruction.
        """
        return self.W_dec / self.input_scale

    @property
    def baseline(self) -> Float[Tensor, "F"]:
        """Each feature's value when it says nothing: 0, or its running mean where features are bits."""
        return torch.zeros_like(self.b_enc)

    @abstractmethod
    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of activations that are already scaled."""

    @abstractmethod
    def initialise(self, generator: torch.Generator, mean: Float[Tensor, "d"]) -> None:
        """Set the weights that training starts from; `mean` is that of the scaled activations."""

    @abstractmethod
    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:
        """Return the training objective on scaled activations, with the sparsity weight of the current step."""

    def before_step(self) -> None:
        """Change gradients between the backward pass and the optimiser's step; by default, nothing."""

    def after_step(self) -> None:
        """Change parameters after the optimiser's step; by default, nothing."""

    @abstractmethod
    def revive(
        self, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
    ) -> None:
        """Give features that never fire new weights, towards what the batch's reconstruction misses."""

    def adopt(self, shift: Float[Tensor, "d"], scale: float) -> None:
        """Make the public methods act on raw x after training on scale·(x - shift).

        Raises:
            ValueError: the shift is not 0 and the architecture is not trained on centred activations.
        """
        if bool(shift.any()):
            raise ValueError(f"{type(self).__name__} is not trained on centred activations")
        self.input_scale = scale

    def calibrate(self, frequencies: Float[Tensor, "F"]) -> None:
        """Take each feature's mean value over the training activations, once after training; by default, unused."""


@torch.no_grad()
def unit_rows(weight: Tensor) -> None:
    """Scale each row to Euclidean norm 1, in place."""
    weight.div_(
        torch.linalg.vector_norm(weight, dim=1, keepdim=True).clamp_min_(torch.finfo(weight.dtype).tiny)
    )


@torch.no_grad()
def remove_radial_gradient(weight: nn.Parameter) -> None:
    """Take the component along each unit row out of the gradient, in place: g ← g - ⟨g, w⟩w."""
    if weight.grad is not None:
        weight.grad.addcmul_((weight.grad * weight).sum(dim=1, keepdim=True), weight, value=-1.0)


@torch.no_grad()
def revive_rows(
    dictionary: Dictionary, dead: Bool[Tensor, "F"], x: Float[Tensor, "tokens d"], generator: torch.Generator
) -> None:
    """Point dead features of a sparse autoencoder at badly reconstructed activations.

    After Bricken et al. 2023 ("Towards Monosemanticity"): tokens are drawn with probability proportional to
    the square of their loss; the decoder row becomes the token's error, normalised, and the encoder column
    the same direction at a fifth of the living columns' mean norm. Biases become 0.
    """
    error = x - (dictionary.encode_scaled(x) @ dictionary.W_dec + dictionary.b_dec)  # x - x̂
    weights = error.square().sum(dim=1).square().cpu()  # (‖x - x̂‖²)²
    chosen = torch.multinomial(weights, int(dead.sum()), replacement=True, generator=generator).to(x.device)
    directions = nn.functional.normalize(error[chosen], dim=1)
    alive = dictionary.W_enc[:, ~dead]
    norm = torch.linalg.vector_norm(alive, dim=0).mean() if alive.numel() else torch.ones((), device=x.device)
    dictionary.W_dec[dead] = directions
    dictionary.W_enc[:, dead] = 0.2 * norm * directions.T
    for name, parameter in dictionary.named_parameters():
        if parameter.dim() == 1 and name != "b_dec":
            parameter[dead] = 0.0
