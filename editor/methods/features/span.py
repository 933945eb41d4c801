"""The part of the weights that writes located features: what `feature-edit` may change, and its change as it grows.

Of the projection W_out (d, m) that writes a site, and of the weights W_in (m, d) that make its keys,

    ΔW_out = D T A S    D (d, r), an orthonormal basis of the located features' directions d_j
    ΔW_in  = N T B S    N (m, r), an orthonormal basis of W_outᵀ D: what neurons must do to write those directions

A and B are free: features say where and in which directions, and what is to be recalled there is fitted. S and T whiten
what the weight reads on retained text and what that hangs on (`editor.methods.features.whitening`). Where a norm
follows the projection (Gemma-2) directions are mapped through its gain. A fused W_in (Phi-3's gate and up) has one B
for each part. Attention's output projection is changed like an MLP's, without the weights before it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit
from editor.locators.blocks import key_makers
from editor.locators.problem import EditProblem
from editor.methods.features.whitening import input_metrics, output_metrics
from editor.methods.shared.keyed import inverse_gain

LEAST_SINGULAR = 1e-4
"""Share of the largest singular value from which on a direction counts."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One weight and the outputs in which it may change.

    Attributes:
        name: parameter's name.
        basis: D T or N T, (outputs, r), float32 on the weight's device.
        transposed: whether it is stored (inputs, outputs).
        metric: S, (inputs, inputs), float32 on the weight's device.
    """

    name: str
    basis: Float[Tensor, "outputs r"] = field(repr=False)
    transposed: bool
    metric: Float[Tensor, "inputs inputs"] = field(repr=False)


@torch.no_grad()
def parts(problem: EditProblem, located: Mapping[Site, Int[Tensor, " units"]]) -> list[Part]:
    """Return the weights that write some features, and those that make their keys.

    Args:
        problem: source of the model and of the dictionaries.
        located: features by site.

    Raises:
        DictionaryError: no single projection writes a site, or the model has no such layer.
    """
    directions: dict[Site, list[Tensor]] = {}
    for site, units in located.items():
        if not len(units):
            continue
        for one in problem.writing([site]):
            rows = problem.dictionaries[site].directions.detach()[
                units.to(problem.dictionaries[site].directions.device)
            ]
            # d_j, as it must be before the norm.
            found = resolve(problem.loaded.model, one)
            directions.setdefault(one, []).append(rows.float() * inverse_gain(found).to(rows.device))
    chosen: list[tuple[str, Tensor, bool]] = []
    for site, all_rows in sorted(directions.items()):
        name, transposed = problem.parameter(site)
        weight = problem.loaded.model.get_parameter(name)
        basis = _orthonormal(torch.cat(all_rows).to(weight.device))  # D
        chosen.append((name, basis, transposed))
        if site.stream == "mlp_out":
            out = weight.detach().float()
            # Wᵀ D, (m, r), and N.
            neurons = torch.linalg.qr((out if transposed else out.T) @ basis).Q
            chosen += _reading(problem.loaded.model, site.layer, neurons)
    names = tuple(name for name, _, _ in chosen)
    bases = {name: basis for name, basis, _ in chosen}
    where = tuple((site, tuple(units.tolist())) for site, units in sorted(located.items()))
    reading = problem.once_retained(("reading", names), lambda: input_metrics(problem, names))
    writing = problem.once_retained(("writing", where), lambda: output_metrics(problem, bases))
    return [
        Part(name=name, basis=basis @ writing[name], transposed=transposed, metric=reading[name])
        for name, basis, transposed in chosen
    ]


def _orthonormal(rows: Float[Tensor, "directions d"]) -> Float[Tensor, "d r"]:
    """Return an orthonormal basis of what some directions span."""
    _, singular, basis = torch.linalg.svd(rows, full_matrices=False)
    kept: Tensor = basis[singular > LEAST_SINGULAR * singular[0]]
    return kept.T.contiguous()


def _reading(
    model: nn.Module, layer: int, neurons: Float[Tensor, "m r"]
) -> Iterator[tuple[str, Float[Tensor, "outputs r"], bool]]:
    """Yield the weights that make the keys of an MLP's output projection, each with N in its outputs."""
    for weight in key_makers(model, layer):
        module = model.get_submodule(weight.name.rpartition(".")[0])
        transposed = isinstance(module, Conv1D)
        outputs = weight.shape[1] if transposed else weight.shape[0]
        copies, left = divmod(outputs, len(neurons))
        # Something else than one number or more a neuron, such as a router.
        if left or not copies:
            continue
        basis: Tensor = torch.block_diag(*[neurons] * copies)  # type: ignore[no-untyped-call]
        yield weight.name, basis, transposed


class SpanChanges:
    """ΔW of some parts in the model's weights, as their coefficients A are fitted.

    Use it as a context manager: on leaving, whatever happened, the weights are what they were, bit for bit.

    Attributes:
        coefficients: A of each part, (r, inputs), float32; an optimiser moves them, `write` puts them into the model.

    Args:
        problem: source of the model.
        chosen: parts that change.
        start: edit to resume from.
    """

    def __init__(self, problem: EditProblem, chosen: list[Part], start: Edit | None = None) -> None:
        model = problem.loaded.model
        self.parts = chosen
        self.weights = [model.get_parameter(part.name) for part in chosen]
        # W₀: bits to put back, whatever happens to the model meanwhile.
        self._originals = [weight.detach().clone() for weight in self.weights]
        self.coefficients = [
            nn.Parameter(
                torch.zeros(part.basis.shape[1], self._upright(part, weight).shape[1], device=weight.device)
            )
            for part, weight in zip(chosen, self.weights, strict=True)
        ]
        given = start.deltas if start is not None else {}
        # What an edit to resume from has of each, (outputs, inputs); None for nothing.
        self._begun = [
            self._upright(part, given[part.name].dense().to(weight.device)) if part.name in given else None
            for part, weight in zip(chosen, self.weights, strict=True)
        ]
        self._wanted = [weight.requires_grad for weight in self.weights]
        self._gradients: dict[int, Tensor] = {}  # ∂loss/∂W by part

    def __enter__(self) -> "SpanChanges":
        for weight in self.weights:
            weight.requires_grad_(True)
        self.write()
        return self

    @torch.no_grad()
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for weight, original, wanted in zip(self.weights, self._originals, self._wanted, strict=True):
            weight.copy_(original)
            weight.requires_grad_(wanted)

    @torch.no_grad()
    def add_gradients(self, loss: Float[Tensor, ""]) -> None:
        """Add ∂loss/∂W of a part of the loss to what `take_gradients` takes; its graph is used up."""
        found = torch.autograd.grad(loss, self.weights, allow_unused=True)
        for place, gradient in enumerate(found):
            if gradient is not None:
                held = self._gradients.get(place)
                self._gradients[place] = gradient if held is None else held.add_(gradient)

    @torch.no_grad()
    def take_gradients(self) -> None:
        """Give the coefficients the gradients of all that was added: ∂loss/∂A = basisᵀ (∂loss/∂W) S."""
        for place, gradient in self._gradients.items():
            part = self.parts[place]
            self.coefficients[place].grad = part.basis.T @ self._upright(part, gradient.float()) @ part.metric
        self._gradients.clear()

    @torch.no_grad()
    def write(self) -> None:
        """Put W = W₀ + ΔW into the model: from W₀ each time, so that rounding does not add up."""
        for part, weight, original, dense in zip(
            self.parts, self.weights, self._originals, self._dense(), strict=True
        ):
            weight.copy_((original.float() + self._upright(part, dense)).to(weight.dtype))

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Put the original weights into the model inside the `with` block."""
        with torch.no_grad():
            for weight, original in zip(self.weights, self._originals, strict=True):
                weight.copy_(original)
        try:
            yield
        finally:
            self.write()

    def deltas(self) -> dict[str, Delta]:
        """Return the change of each parameter by its name, in the parameter's own layout."""
        return {
            part.name: Delta.from_dense(self._upright(part, dense))
            for part, dense in zip(self.parts, self._dense(), strict=True)
        }

    def _dense(self) -> Iterator[Float[Tensor, "outputs inputs"]]:
        """Yield ΔW of each part."""
        for part, coefficient, begun in zip(self.parts, self.coefficients, self._begun, strict=True):
            delta = part.basis @ coefficient.detach() @ part.metric
            yield delta if begun is None else begun + delta

    @staticmethod
    def _upright(part: Part, matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "columns rows"]:
        """Turn (outputs, inputs) into the layout in which a weight is stored, or back."""
        return matrix.T if part.transposed else matrix
