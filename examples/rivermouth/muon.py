"""Muon: momentum whose matrix updates are made orthogonal (Jordan et al. 2024; Liu et al. 2025, 2502.16982).

    M ← β M + (1 - β) G,    U = (1 - β) G + β M        running mean of the gradients G, and Nesterov's look ahead
    W ← (1 - η w) W - η s √max(rows, columns) · orthogonal(U)

with η the learning rate, w the weight decay and s = `_ROOT_MEAN_SQUARE`. orthogonal(U) is a Newton-Schulz iteration on
X₀ = U / ‖U‖:

    X ← a X + (b A + c A²) X,    A = X Xᵀ

On this lab it needs about two thirds of AdamW's epochs. torch's own version iterates in bfloat16, which is
slow on processors without it; this one stays in the parameters' type and treats matrices of one shape together.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c of the odd quintic a x + b x³ + c x⁵ that drives every singular value towards 1 (Jordan et al. 2024)."""
_ROOT_MEAN_SQUARE = 0.2
"""s, the scale of an update's entries: AdamW's usual one, so that both take the same learning rate."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised by a Newton-Schulz iteration, with decoupled weight decay.

    Args:
        matrices: two-dimensional parameters.
        lr: η, the learning rate on AdamW's scale.
        momentum: β, the decay of the running mean of gradients.
        weight_decay: w, so that a step removes the share η w of a weight.
        iterations: number of Newton-Schulz iterations.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        iterations: int = 5,
    ) -> None:
        super().__init__(
            list(matrices),
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "iterations": iterations},
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002 (torch's signature)
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            # One iteration works on all matrices of one shape at once.
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._update(matrices, group)

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        """Update matrices of one shape in place."""
        # U of each, (n, rows, columns).
        ahead = torch.stack([self._nesterov(matrix, group["momentum"]) for matrix in matrices])
        updates = orthogonalise(ahead, iterations=group["iterations"])
        # An orthogonal matrix's entries have a root mean square of 1 / √max(rows, columns).
        scale = _ROOT_MEAN_SQUARE * max(matrices[0].shape) ** 0.5
        for matrix, update in zip(matrices, updates, strict=True):
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.add_(update, alpha=-group["lr"] * scale)

    def _nesterov(self, matrix: Tensor, decay: float) -> Tensor:
        """Update the running mean of the matrix's gradients and look one step ahead of it."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(matrix)
        mean: Tensor = state["mean"].lerp_(matrix.grad, 1 - decay)  # M
        return matrix.grad.lerp(mean, decay)  # U


def orthogonalise(matrices: Tensor, *, iterations: int = 5) -> Tensor:
    """Replace the singular values of each matrix by values near 1.

    Args:
        matrices: U, (n, rows, columns).
        iterations: number of Newton-Schulz iterations.
    """
    # X Xᵀ is smallest where X is wide.
    tall = matrices.shape[-2] > matrices.shape[-1]
    current: Tensor = matrices.mT if tall else matrices
    # X₀: no singular value exceeds the Frobenius norm, so all begin at 1 at most.
    current = current / current.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    first, second, third = _COEFFICIENTS
    for _ in range(iterations):
        gram = current @ current.mT  # A
        current = first * current + (second * gram + third * gram @ gram) @ current
    return current.mT if tall else current
