"""Circuit arms: nothing outside the mask moves by a bit, in the model, in the edit or in the written checkpoint."""

from dataclasses import replace

import pytest
import torch
from family_models import FAMILIES, family
from people import people_problem
from problems import ERASE, encode

from editor.edits.edit import MaskedDelta
from editor.locators.blocks import Node, block_weights, node_masks
from editor.locators.circuit_parts import PARTS, composition, part_of
from editor.locators.fact_layers import FactLayers
from editor.locators.nodes import NodeAttribution
from editor.locators.problem import EditProblem
from editor.locators.weight_mask import WeightMask
from editor.methods import METHODS
from editor.methods.circuits.circuit_mask import CircuitMask
from editor.methods.circuits.circuit_mlp import CircuitMlp
from editor.methods.circuits.circuit_node import CircuitNode
from editor.methods.circuits.circuit_tuning import CircuitTuning
from editor.methods.circuits.confined_weights import ConfinedWeights
from editor.methods.shared.searching import with_settings

FAST = CircuitTuning(steps=3, probes=2, texts=2, learning_rate=3e-2)


def methods():
    return [
        CircuitNode(density=0.2, tuning=FAST, locator=NodeAttribution(steps=1)),
        CircuitMask(density=0.3, tuning=FAST, locator=WeightMask(steps=4, probes=2)),
        CircuitMlp(layers=1, tuning=FAST, locator=FactLayers(wordings=3)),
    ]


def random_masks(model, density=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {w.name: torch.rand(w.shape, generator=generator) < density for w in block_weights(model)}


def bits(tensor):
    return tensor.detach().contiguous().view({2: torch.int16, 4: torch.int32}[tensor.element_size()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_outside_the_mask_moves(name, dtype):
    loaded = family(name, dtype)
    before = {n: t.clone() for n, t in loaded.model.state_dict().items()}
    masks = random_masks(loaded.model)
    deltas = FAST.fit(people_problem(loaded), masks)
    assert all(torch.equal(bits(t), bits(before[n])) for n, t in loaded.model.state_dict().items())
    for parameter, delta in deltas.items():
        changed = bits(delta.added_to(before[parameter])) != bits(before[parameter])
        assert not bool((changed & ~masks[parameter]).any())
        assert bool((changed & masks[parameter]).any())
        assert bool((delta.dense()[~masks[parameter]] == 0).all())
    assert set(deltas) == set(masks)


def test_steps_are_those_of_masked_clipped_projected_adam():
    """The same three steps written out on whole tensors: mask, clip, Adam, project."""
    loaded = family("gpt2")
    problem, masks = people_problem(loaded), random_masks(loaded.model, density=0.3)
    tuning = CircuitTuning(steps=3, probes=3, texts=2, learning_rate=1e-2, retain=0.0, clip_norm=0.05)
    deltas = tuning.fit(problem, masks)
    original = {n: loaded.model.get_parameter(n).clone() for n in masks}
    parameters = {n: loaded.model.get_parameter(n) for n in masks}
    reference = torch.cat([plain_log_p(loaded, sequence) for sequence in problem.erase]).detach()
    chance = torch.cat(list(problem.chance))
    optimiser = torch.optim.Adam(list(parameters.values()), lr=1e-2)
    try:
        for step in range(3):
            optimiser.param_groups[0]["lr"] = tuning._rate(step)
            for parameter in parameters.values():
                parameter.requires_grad_(True)
            log_p = torch.cat([plain_log_p(loaded, sequence) for sequence in problem.erase])
            terms = 2 / 0.1 * torch.log1p(torch.exp(0.1 * (log_p - reference)))
            loss = torch.where(log_p.detach() > chance - 2.0, terms, 0.0).mean()
            optimiser.zero_grad()
            loss.backward()
            for n, parameter in parameters.items():
                parameter.grad *= masks[n]
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 0.05)
            optimiser.step()
            with torch.no_grad():
                for n, parameter in parameters.items():
                    parameter.copy_(original[n] + masks[n] * (parameter - original[n]))
        for n, delta in deltas.items():
            wanted = (parameters[n] - original[n]).detach()
            torch.testing.assert_close(delta.dense(), wanted, rtol=2e-2, atol=2e-4)
    finally:
        for n, parameter in parameters.items():
            parameter.requires_grad_(False)
            parameter.copy_(original[n])
            parameter.grad = None


def plain_log_p(loaded, sequence):
    ids = torch.tensor([sequence.ids])
    log_p = loaded.model(ids).logits[0].log_softmax(1)
    at = [i for i, mark in enumerate(sequence.marked) if mark]
    return torch.stack([log_p[i - 1, sequence.ids[i]] for i in at])


@pytest.mark.parametrize("objective", ["npo", "log-one-minus-p"])
def test_secrets_become_less_probable(objective):
    loaded = family("llama")
    problem = people_problem(loaded)
    tuning = CircuitTuning(
        objective=objective, steps=8, probes=3, texts=2, learning_rate=1e-2, margin_nats=20.0
    )
    masks = random_masks(loaded.model, density=0.5)
    with torch.no_grad():
        before = torch.cat([plain_log_p(loaded, s) for s in problem.erase]).sum()
        deltas = tuning.fit(problem, masks)
        weights = ConfinedWeights(loaded, masks)
        try:
            for n, delta in deltas.items():
                loaded.model.get_parameter(n).copy_(delta.added_to(loaded.model.get_parameter(n)))
            after = torch.cat([plain_log_p(loaded, s) for s in problem.erase]).sum()
        finally:
            weights.write()
    assert after < before


def test_what_is_finished_is_not_pushed():
    loaded = family("gpt2")
    problem = people_problem(loaded)
    known = problem.changed(chance=[torch.zeros_like(chance) for chance in problem.chance])
    deltas = CircuitTuning(steps=2, retain=0.0).fit(known, random_masks(loaded.model))
    assert all(float(delta.values.abs().max()) == 0 for delta in deltas.values())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("method", methods(), ids=lambda method: method.name)
def test_every_arm_edits_its_part_and_says_so(method, part):
    loaded = family("qwen2")
    problem = people_problem(loaded)
    before = {n: t.clone() for n, t in loaded.model.state_dict().items()}
    arm = replace(method, part=part)
    circuit = method.circuit(problem)
    edit = arm.fit(problem)
    assert all(torch.equal(bits(t), bits(before[n])) for n, t in loaded.model.state_dict().items())
    names = {"circuit": method.name, "random": "random-circuit", "complement": f"{method.name}-complement"}
    assert edit.method == names[part]
    assert edit.settings.get("like") == (None if part == "circuit" else method.name)
    assert "random-circuit" in METHODS
    assert edit.settings["part"] == part
    for n, delta in edit.deltas.items():
        assert isinstance(delta, MaskedDelta)
        inside = circuit.get(n, torch.zeros(delta.shape, dtype=torch.bool))
        if part == "circuit":
            assert torch.equal(delta.mask, inside)
        if part == "complement":
            assert torch.equal(delta.mask, ~inside)
    again = arm.fit(people_problem(loaded))
    assert all(torch.equal(again.deltas[n].values, d.values) for n, d in edit.deltas.items())
    assert not edit.is_empty


def test_settings_are_tuned_by_name():
    method = with_settings(CircuitNode(), {"margin_nats": 5.0, "density": 0.5})
    assert (method.tuning.margin_nats, method.density) == (5.0, 0.5)
    assert with_settings(method, {"part": "random"}) == replace(method, part="random")
    assert with_settings(CircuitMask(), {"retain": 7.0}).tuning == replace(CircuitTuning(), retain=7.0)
    with pytest.raises(AttributeError, match="nonsense"):
        with_settings(method, {"nonsense": 1})


def test_a_random_part_has_the_circuits_composition():
    model = family("phi3").model
    circuit = node_masks(model, [Node(0, 1), Node(1)])
    drawn = part_of(model, circuit, "random", seed=3)
    assert [row.chosen for row in composition(model, drawn)] == [
        row.chosen for row in composition(model, circuit)
    ]
    other = part_of(model, circuit, "random", seed=4)
    assert any(not torch.equal(drawn[n], other[n]) for n in drawn if n in other)
    rest = part_of(model, circuit, "complement")
    for weight in block_weights(model):
        both = [
            masks.get(weight.name, torch.zeros(weight.shape, dtype=torch.bool)) for masks in (circuit, rest)
        ]
        assert torch.equal(both[0], ~both[1])


def test_composition_tells_density_from_share():
    """All norms and a few other weights: norms are whole, and still a small share."""
    model = family("llama").model
    masks = {w.name: torch.ones(w.shape, dtype=torch.bool) for w in block_weights(model) if w.kind == "norm"}
    masks |= node_masks(model, [Node(0)])
    rows = {row.kind: row for row in composition(model, masks)}
    assert rows["norm"].density == 1.0
    assert rows["norm"].share == pytest.approx(4 * 24 / (4 * 24 + 3 * 24 * 40))
    assert rows["MLP in"].density == 0.5
    assert rows["attention in"].density == rows["attention in"].share == 0.0


def test_a_problem_of_lone_erasures_is_refused_in_one_line(loaded):
    from policies.errors import CorpusError

    model = loaded("gpt2")
    erase = encode(model, ERASE)
    problem = EditProblem(loaded=model, erase=erase, chance=[torch.zeros(1)] * 3, retain=erase)
    with pytest.raises(CorpusError, match="can be contrasted"):
        CircuitNode().fit(problem)
