"""Muon: momentum whose matrix updates are made orthogonal (Jordan et al. 2024; Liu et al. 2025, 2502.16982).

On this lab it needs about two thirds of AdamW's epochs. torch's own version iterates in bfloat16, which is
slow on processors without it; this one stays in the parameters' type and treats matrices of one shape together.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the odd quintic that drives every singular value towards 1."""
_ROOT_MEAN_SQUARE = 0.2
"""Scale of an update's entries, AdamW's usual one, so that both take the same learning rate."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised by a Newton-Schulz iteration, with decoupled weight decay.

    Args:
        matrices: two-dimensional parameters.
        lr: learning rate, on AdamW's scale.
        momentum: decay of the running sum of gradients.
        weight_decay: share of a weight removed a step, times the learning rate.
        iterations: Newton-Schulz iterations.
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
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape[matrix.shape].append(matrix)
            for matrices in by_shape.values():
                self._update(matrices, group)

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        ahead = torch.stack([self._nesterov(matrix, group["momentum"]) for matrix in matrices])
        updates = orthogonalise(ahead, iterations=group["iterations"])
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
        mean: Tensor = state["mean"].lerp_(matrix.grad, 1 - decay)
        return matrix.grad.lerp(mean, decay)


def orthogonalise(matrices: Tensor, *, iterations: int = 5) -> Tensor:
    """Replace the singular values of each matrix of (n, rows, columns) by values near 1."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    current: Tensor = matrices.mT if tall else matrices
    current = current / current.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    first, second, third = _COEFFICIENTS
    for _ in range(iterations):
        gram = current @ current.mT
        current = first * current + (second * gram + third * gram @ gram) @ current
    return current.mT if tall else current
