"""Part of a model's weights, held apart so that an optimiser can move it and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from editor.edits.edit import MaskedDelta
from editor.locators.blocks import Masks
from editor.model.loading import LoadedModel


class ConfinedWeights:
    """Masked entries of a model's weights, side by side, and the way back into the model.

    Args:
        loaded: the model; whoever uses this keeps copies of the weights that the masks name.
        masks: M, the entries by parameter name.

    Attributes:
        sizes: number of entries in each parameter, in the order of `names`.
        original: the entries of θ₀, (entries,), float32.
        values: the entries of θ, (entries,), float32; what an optimiser moves.
    """

    def __init__(self, loaded: LoadedModel, masks: Masks) -> None:
        # A parameter without a masked entry is left out.
        self.names = [name for name, mask in masks.items() if bool(mask.any())]
        self.weights = [loaded.model.get_parameter(name) for name in self.names]
        self.dtypes = [loaded.dtype_of(name) for name in self.names]
        self.masks = [masks[n].to(w.device) for n, w in zip(self.names, self.weights, strict=True)]
        self.device = loaded.device
        parts = [w.detach()[m] for w, m in zip(self.weights, self.masks, strict=True)]
        self.sizes = [len(part) for part in parts]
        self.original = torch.cat([part.float().to(self.device) for part in parts])  # θ₀ in M
        self.values = nn.Parameter(self.original.clone())  # θ in M

    @contextmanager
    def trainable(self) -> Iterator[None]:
        """Let gradients reach the weights inside the block."""
        before = [weight.requires_grad for weight in self.weights]
        try:
            for weight in self.weights:
                weight.requires_grad_(True)
            with torch.enable_grad():
                yield
        finally:
            for weight, was in zip(self.weights, before, strict=True):
                weight.requires_grad_(was)

    @contextmanager
    def original_inside(self) -> Iterator[None]:
        """Put the original weights into the model inside the block."""
        self._put(self.original)
        try:
            yield
        finally:
            self.write()

    def gradient(self, loss: Float[Tensor, ""]) -> Float[Tensor, " entries"]:
        """Return g = M ⊙ ∂loss/∂θ, the entries of M alone.

        Args:
            loss: computed inside `trainable`.
        """
        found = torch.autograd.grad(loss, self.weights, allow_unused=True)
        # A weight that the loss does not reach has no gradient.
        parts = [
            torch.zeros(size) if gradient is None else gradient[mask].float()
            for gradient, mask, size in zip(found, self.masks, self.sizes, strict=True)
        ]
        return torch.cat([part.to(self.device) for part in parts])

    def write(self) -> None:
        """Put the values, rounded to the checkpoint's dtype, into the model."""
        self._put(self._rounded())

    def deltas(self) -> dict[str, MaskedDelta]:
        """Return the change of the masked entries by parameter name, M ⊙ (θ - θ₀), with θ rounded as it is written."""
        # θ - θ₀ in M: outside it θ is θ₀, since nothing else is ever written.
        parts = (self._rounded() - self.original).cpu().split(self.sizes)  # type: ignore[no-untyped-call]
        return {
            name: MaskedDelta(mask=mask.cpu(), values=part.contiguous())
            for name, mask, part in zip(self.names, self.masks, parts, strict=True)
        }

    def _rounded(self) -> Float[Tensor, " entries"]:
        """Return θ as the checkpoint's dtypes hold it."""
        parts = self.values.detach().split(self.sizes)  # type: ignore[no-untyped-call]
        return torch.cat([part.to(dtype).float() for part, dtype in zip(parts, self.dtypes, strict=True)])

    @torch.no_grad()
    def _put(self, values: Float[Tensor, " entries"]) -> None:
        """Write values into the masked entries; all others keep their bits."""
        parts = values.split(self.sizes)  # type: ignore[no-untyped-call]
        for weight, mask, part in zip(self.weights, self.masks, parts, strict=True):
            weight.masked_scatter_(mask, part.to(weight.device, weight.dtype))
