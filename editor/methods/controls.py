"""Controls of an edit: as large a change by chance, and what else the method itself names."""

import math
from collections.abc import Callable, Iterator

import torch

from dictionaries.model.experts import has_experts
from editor.edits.edit import AnyDelta, Delta, Edit, MaskedDelta
from editor.locators.problem import EditProblem
from editor.methods import METHODS
from editor.methods.method import Method

RANDOM_DIRECTIONS = "random-directions"


def control_edits(
    problem: EditProblem,
    edit: Edit,
    method: Method,
    seed: int,
    fit: Callable[[Method, EditProblem], Edit] = lambda method, problem: method.fit(problem),
) -> Iterator[tuple[Edit, str]]:
    """Yield control edits, and what each is in words; those that change nothing are left out.

    Every edit has a control by chance at its own ‖ΔW‖: the method's own, or else other directions.

    Args:
        problem: problem that the edit was fitted to.
        edit: edit of the method.
        method: method with the settings that were taken.
        seed: seed of what is drawn.
        fit: fits a method to a problem.
    """
    controls = [
        control
        for control in method.controls(edit.norm, seed)
        if METHODS[control.method.name].edits_experts or not has_experts(problem.loaded.model)
    ]
    for control, title in controls:
        drawn = fit(control, problem)
        if not drawn.is_empty:
            yield drawn, title
    if not controls and not edit.is_empty:
        yield random_directions(edit, seed), "as large a change of the same weights in random directions"


def random_directions(edit: Edit, seed: int) -> Edit:
    """Change the same parameters as much, each at the same rank or in the same entries, by normal draws."""
    generator = torch.Generator().manual_seed(seed)
    return Edit(
        deltas={name: _redraw(delta, generator) for name, delta in edit.deltas.items()},
        method=RANDOM_DIRECTIONS,
        settings={"like": edit.method, "seed": seed},
    )


def _redraw(delta: AnyDelta, generator: torch.Generator) -> AnyDelta:
    drawn: AnyDelta
    if isinstance(delta, Delta):
        drawn = Delta(
            left=torch.randn(delta.left.shape, generator=generator),
            right=torch.randn(delta.right.shape, generator=generator),
        )
    else:
        drawn = MaskedDelta(mask=delta.mask, values=torch.randn(delta.values.shape, generator=generator))
    size = drawn.squared_norm()
    return drawn.scaled(math.sqrt(delta.squared_norm() / size)) if size else drawn
