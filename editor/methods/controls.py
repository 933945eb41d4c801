"""Controls of an edit: as large a change by chance, and the paper's rule taken literally."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch

from editor.edits.edit import AnyDelta, Delta, Edit, MaskedDelta
from editor.locators.problem import EditProblem
from editor.methods.circuits.circuit import CircuitMethod
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.feature_literal import FeatureLiteral
from editor.methods.features.random_features import RandomFeatures
from editor.methods.method import Method
from editor.methods.neurons.neuron_depn import NeuronDepn
from editor.methods.neurons.neuron_kn import NeuronKn
from editor.methods.neurons.neuron_probe import NeuronProbe
from editor.methods.neurons.random_neurons import RandomNeurons

RANDOM_DIRECTIONS = "random-directions"


def control_edits(problem: EditProblem, edit: Edit, method: Method, seed: int) -> Iterator[tuple[Edit, str]]:
    """Yield control edits, and what each is in words; those that change nothing are left out.

    Every method has a control by chance at its own ‖ΔW‖: other units where it has units, other weights of the same
    kinds of module where it has a circuit, and else other directions.

    Args:
        problem: that the edit was fitted to.
        edit: the method's.
        method: with the settings that were taken.
        seed: of what is drawn.
    """
    by_chance = _by_chance(method, edit.norm, seed)
    controls = [by_chance] if by_chance else []
    if isinstance(method, FeatureEdit):
        controls.append(
            (FeatureLiteral(), "entries of the output projection that write the top features, zeroed")
        )
    for control, text in controls:
        fitted = control.fit(problem)
        if not fitted.is_empty:
            yield fitted, text
    if by_chance is None and not edit.is_empty:
        yield random_directions(edit, seed), "as large a change of the same weights in random directions"


def random_directions(edit: Edit, seed: int) -> Edit:
    """Change the same parameters as much, each at the same rank or in the same entries, by normal draws."""
    generator = torch.Generator().manual_seed(seed)
    return Edit(
        deltas={name: _redrawn(delta, generator) for name, delta in edit.deltas.items()},
        method=RANDOM_DIRECTIONS,
        settings={"like": edit.method, "seed": seed},
    )


def _redrawn(delta: AnyDelta, generator: torch.Generator) -> AnyDelta:
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


def _by_chance(method: Method, norm: float, seed: int) -> tuple[Method, str] | None:
    """The method with what it locates drawn at random, for those that locate units or a circuit."""
    if isinstance(method, FeatureEdit | FeatureLiteral):
        like = method if isinstance(method, FeatureEdit) else FeatureEdit(units=method.units)
        random = RandomFeatures(like=like, norm=norm, seed=seed)
        return random, "as many features a site drawn at random, scaled to the same ‖ΔW‖"
    if isinstance(method, NeuronKn | NeuronDepn | NeuronProbe):
        random_neurons = RandomNeurons(like=method, norm=norm, seed=seed)
        return random_neurons, "as many neurons a layer drawn at random, scaled to the same ‖ΔW‖"
    if isinstance(method, CircuitMethod) and method.part == "circuit":
        random_part: Method = replace(method, part="random", part_seed=seed)
        return (
            random_part,
            "as many weights of each kind of module drawn at random, fine-tuned in the same way",
        )
    return None
