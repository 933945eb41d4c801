"""The part of the weights that writes located features: what `feature-edit` may change, and its change as it grows.

Of the projection W_out (d, m) that writes a site, and of the weights W_in (m, d) that make its keys,

    ΔW_out = D A S    D (d, r), an orthonormal basis of the located features' directions d_j
    ΔW_in  = N B S    N (m, r), an orthonormal basis of W_outᵀ D: what neurons must do to write those directions

A and B are free: features say where and in which directions, and what is to be recalled there is fitted. S whitens what
the weight reads on retained text (`input_metrics`), so that a step moves what that hardly has. Where a norm
follows the projection (Gemma-2) directions are mapped through its gain. A fused W_in (Phi-3's gate and up) has one B
for each part. Attention's output projection is changed like an MLP's, without the weights before it.

What a mixture of experts writes is the sum of its experts' outputs. D is the same for all of them, N each one's own;
the experts that no secret's token goes to stay as they are, and so does the router. Gradients go through its weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.experts import RoutedExperts
from dictionaries.model.sites import Site, SiteModules, resolve
from dictionaries.model.structure import EXPERT_PROJECTION
from editor.edits.edit import Delta, Edit
from editor.locators.blocks import key_makers
from editor.locators.problem import EditProblem
from editor.methods.shared.keyed import inverse_gain
from editor.model.tokens import TokenSequence, batches
from editor.questions.retained import text_batches

EPSILON = 1e-2
"""ε in S, relative to the mean diagonal of C."""
MOMENT_TOKENS = 20_000
"""Tokens that C is read from."""
LEAST_SINGULAR = 1e-4
"""Share of the largest singular value from which on a direction counts."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One weight and the outputs in which it may change.

    Attributes:
        name: parameter's name.
        basis: orthonormal columns, (outputs, r), float32 on the weight's device.
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
        found = resolve(problem.loaded.model, site)
        device = problem.loaded.model.get_parameter(found.writers[0].name).device
        basis = _orthonormal(torch.cat(all_rows).to(device))  # D
        if found.experts:
            chosen += _of_experts(problem, found, basis)
            continue
        name, transposed = problem.parameter(site)
        chosen.append((name, basis, transposed))
        if site.stream == "mlp_out":
            neurons = _neurons(problem.loaded.model.get_parameter(name), basis, transposed=transposed)  # N
            chosen += _reading(problem.loaded.model, site.layer, neurons)
    names = tuple(name for name, _, _ in chosen)
    metrics = problem.once_retained(("metrics", names), lambda: input_metrics(problem, names))
    return [
        Part(name=name, basis=basis, transposed=transposed, metric=metrics[name])
        for name, basis, transposed in chosen
    ]


@torch.no_grad()
def input_metrics(problem: EditProblem, names: Sequence[str]) -> dict[str, Float[Tensor, "inputs inputs"]]:
    """Return S ∝ (C + ε I)^(-1/2) of some weights, C = E xxᵀ their inputs' second moment on what must stay.

    A step of one size in A then moves what retained inputs hardly have, and spares what they are made of. S has rows of
    length 1 on average. The model must be the original one.

    Args:
        problem: source of the model and of what must stay, of which a sample is read.
        names: weights by parameter name.
    """
    model = problem.loaded.model
    modules = {name: model.get_submodule(name.rpartition(".")[0]) for name in names}
    inputs: dict[str, tuple[Tensor, Tensor | None]] = {}
    moments: dict[str, Tensor] = {}

    def taking(name: str) -> Callable[..., None]:
        experts = _experts_with(model, name)

        def take(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[name] = arguments[0], experts.tokens if experts is not None else None

        return take

    hooks = [module.register_forward_pre_hook(taking(name)) for name, module in modules.items()]
    try:
        for batch in text_batches(problem.loaded, _some(problem.retained)):
            inputs.clear()
            model.base_model(**batch.inputs, use_cache=False)
            wanted = batch.predicting.flatten()
            for name, (x, tokens) in inputs.items():
                rows = x.reshape(-1, x.shape[-1])[wanted if tokens is None else wanted[tokens]].float()
                moments[name] = moments.get(name, torch.zeros((), device=rows.device)) + rows.T @ rows
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _metric(moments.get(name), model.get_parameter(name), modules[name]) for name in names}


def _metric(moment: Tensor | None, weight: Tensor, module: nn.Module) -> Float[Tensor, "inputs inputs"]:
    """Return S; of an expert that no retained token went to the identity."""
    if moment is None or not bool(moment.diagonal().sum() > 0):
        inputs = weight.shape[0 if isinstance(module, Conv1D) else 1]
        return torch.eye(inputs, device=weight.device)
    return _inverse_root(moment)


def _some(sequences: Sequence[TokenSequence]) -> list[TokenSequence]:
    """Return a seeded sample of at most `MOMENT_TOKENS` tokens, one text at least."""
    order = torch.randperm(len(sequences), generator=torch.Generator().manual_seed(0)).tolist()
    chosen: list[TokenSequence] = []
    left = MOMENT_TOKENS
    for place in order:
        if left <= 0:
            break
        chosen.append(sequences[place])
        left -= len(sequences[place].ids)
    return chosen


def _inverse_root(moment: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Return (C + ε I)^(-1/2), scaled so that its rows have length 1 on average."""
    values, vectors = torch.linalg.eigh((moment / moment.diagonal().mean()).double())
    root = (vectors * (values.clamp(min=0) + EPSILON).rsqrt()) @ vectors.T
    scaled: Tensor = root / (root.norm() / len(root) ** 0.5)
    return scaled.float()


def _orthonormal(rows: Float[Tensor, "directions d"]) -> Float[Tensor, "d r"]:
    """Return an orthonormal basis of what some directions span."""
    _, singular, basis = torch.linalg.svd(rows, full_matrices=False)
    kept: Tensor = basis[singular > LEAST_SINGULAR * singular[0]]
    return kept.T.contiguous()


def _neurons(
    weight: Tensor, basis: Float[Tensor, "d r"], *, transposed: bool = False
) -> Float[Tensor, "m r"]:
    """Return N, an orthonormal basis of W_outᵀ D."""
    out = weight.detach().float()
    neurons: Tensor = torch.linalg.qr((out if transposed else out.T) @ basis).Q
    return neurons


def _of_experts(
    problem: EditProblem, found: SiteModules, basis: Float[Tensor, "d r"]
) -> Iterator[tuple[str, Tensor, bool]]:
    """Yield the weights of the experts that secrets' tokens go to, and of shared ones, each with its basis."""
    model = problem.loaded.model
    reached = problem.once("experts", lambda: _reached(problem))
    for writer in found.experts:
        path = writer.name.removesuffix(f"{EXPERT_PROJECTION}.weight")
        if _experts_with(model, writer.name) is not None and path not in reached:
            continue
        yield writer.name, basis, False
        neurons = _neurons(model.get_parameter(writer.name), basis)
        for reading, module in model.get_submodule(path).named_children():
            if isinstance(module, nn.Linear) and module.out_features == writer.inputs:
                yield f"{path}.{reading}.weight", neurons, False


def _reached(problem: EditProblem) -> frozenset[str]:
    """Return the routed experts, by their modules' names, that predict a secret's token; the model is the original."""
    loaded, model = problem.loaded, problem.loaded.model
    chosen: dict[str, Tensor] = {}
    reached: set[str] = set()

    def taking(name: str) -> Callable[..., None]:
        def take(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            chosen[name] = arguments[1]

        return take

    hooks = [
        module.register_forward_pre_hook(taking(name))
        for name, module in model.named_modules()
        if isinstance(module, RoutedExperts)
    ]
    try:
        for batch in batches(problem.erase, pad=loaded.pad_id, device=loaded.device, passes=loaded.passes):
            model.base_model(**batch.inputs, use_cache=False)
            for name, index in chosen.items():
                numbers = set(index[batch.predicting.flatten()].flatten().tolist())
                reached |= {f"{name}.{number}" for number in numbers}
    finally:
        for hook in hooks:
            hook.remove()
    return frozenset(reached)


def _experts_with(model: nn.Module, name: str) -> RoutedExperts | None:
    """Return the experts that a weight is of; None where it is no routed expert's."""
    path = name.rsplit(".", 3)[0]
    module = model.get_submodule(path)
    return module if isinstance(module, RoutedExperts) else None


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

    def drop_gradients(self) -> None:
        """Forget what was added, as of a step that is begun again."""
        self._gradients.clear()

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
