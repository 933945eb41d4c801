"""Coordinates of a weight's change in which a step of one size costs what must stay about as much everywhere.

What must stay is read on retained text by the original model. A weight that maps x to y = W x and changes by
ΔW = Q T A S costs, to second order (K-FAC; Martens & Grosse 2015, arXiv:1503.05671),

    KL(original || edited)  ≈  ½ tr(G ΔW C ΔWᵀ)      C = E xxᵀ,    G = E ggᵀ,    g = ∂ ln p(token)/∂y

the token drawn from the model's own prediction. S ∝ (C + ε I)^(-1/2) and T ∝ (QᵀGQ + ε I)^(-1/2) make that ½‖A‖² but
for ε: descent on A moves what retained inputs hardly have, towards outputs that retained text hardly hangs on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from editor.locators.problem import EditProblem
from editor.model.forward import traced_logits
from editor.model.precision import quick_precision
from editor.model.tokens import TokenSequence
from editor.questions.retained import text_batches

EPSILON = 1e-2
"""ε, relative to the mean diagonal of C or QᵀGQ."""
INPUT_TOKENS = 20_000
"""Tokens of the texts that C is read from."""
OUTPUT_TOKENS = 4_000
"""Tokens of the texts that G is read from: it is no larger than a basis, and takes a backward pass."""


@torch.no_grad()
def input_metrics(problem: EditProblem, names: Sequence[str]) -> dict[str, Float[Tensor, "inputs inputs"]]:
    """Return S of some weights, its rows of length 1 on average. The model must be the original one.

    Args:
        problem: source of the model and of what must stay, of which a sample is read.
        names: weights by parameter name.
    """
    model = problem.loaded.model
    inputs: dict[str, Tensor] = {}
    moments: dict[str, Tensor] = {}

    def taking(name: str) -> Callable[..., None]:
        def take(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs[name] = arguments[0]

        return take

    hooks = [_module(problem, name).register_forward_pre_hook(taking(name)) for name in names]
    try:
        for batch in text_batches(problem.loaded, _some(problem.retained, INPUT_TOKENS)):
            model.base_model(**batch.inputs, use_cache=False)
            for name, x in inputs.items():
                rows = x[batch.predicting].float()
                moments[name] = moments.get(name, torch.zeros((), device=rows.device)) + rows.T @ rows
    finally:
        for hook in hooks:
            hook.remove()
    return {name: _inverse_root(moment) for name, moment in moments.items()}


@torch.no_grad()
def output_metrics(
    problem: EditProblem, bases: Mapping[str, Float[Tensor, "outputs r"]]
) -> dict[str, Float[Tensor, "r r"]]:
    """Return T of some weights, its rows of length 1 on average. The model must be the original one.

    Args:
        problem: source of the model and of what must stay, of which a sample is read.
        bases: Q, orthonormal columns, by parameter name.
    """
    loaded = problem.loaded
    moments = {name: basis.new_zeros(basis.shape[1], basis.shape[1]) for name, basis in bases.items()}
    generator = torch.Generator(device=loaded.device).manual_seed(0)
    with _outputs(problem, bases) as outputs:
        for batch in text_batches(loaded, _some(problem.retained, OUTPUT_TOKENS), backward=True):
            with torch.enable_grad(), quick_precision(loaded):
                log_p = traced_logits(loaded.model, batch).log_softmax(1)
                drawn = torch.multinomial(log_p.detach().exp(), 1, generator=generator)
                found = torch.autograd.grad(
                    log_p.gather(1, drawn).sum(), list(outputs.values()), allow_unused=True
                )
            for name, gradient in zip(outputs, found, strict=True):
                if gradient is not None:
                    g = gradient.flatten(0, -2).float() @ bases[name]  # gᵀQ
                    moments[name] += g.T @ g
    return {name: _inverse_root(moment) for name, moment in moments.items()}


@contextmanager
def _outputs(problem: EditProblem, names: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Give what some weights' modules write in the latest pass, by parameter name, for a gradient to be taken to it."""
    taken: dict[str, Tensor] = {}

    def taking(name: str) -> Callable[..., Tensor]:
        def take(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
            taken[name] = output if output.requires_grad else output.requires_grad_()
            return taken[name].clone()  # some families add to it in place

        return take

    hooks = [_module(problem, name).register_forward_hook(taking(name)) for name in names]
    try:
        yield taken
    finally:
        for hook in hooks:
            hook.remove()


def _module(problem: EditProblem, name: str) -> nn.Module:
    module: nn.Module = problem.loaded.model.get_submodule(name.rpartition(".")[0])
    return module


def _some(sequences: Sequence[TokenSequence], most: int) -> list[TokenSequence]:
    """Return a seeded sample of at most so many tokens, one text at least."""
    order = torch.randperm(len(sequences), generator=torch.Generator().manual_seed(0)).tolist()
    chosen: list[TokenSequence] = []
    for place in order:
        if most <= 0:
            break
        chosen.append(sequences[place])
        most -= len(sequences[place].ids)
    return chosen


def _inverse_root(moment: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """Return (C + ε I)^(-1/2), scaled so that its rows have length 1 on average; I where nothing was read."""
    mean = moment.diagonal().mean()
    if not mean > 0:
        return torch.eye(len(moment), device=moment.device)
    values, vectors = torch.linalg.eigh((moment / mean).double())
    root = (vectors * (values.clamp(min=0) + EPSILON).rsqrt()) @ vectors.T
    scaled: Tensor = root / (root.norm() / len(root) ** 0.5)
    return scaled.float()
