"""Coordinates of a change: what a step of one size costs in them."""

import pytest
import torch
from problems import OTHERS, encode, make_problem

from editor.methods.features.span import parts
from editor.methods.features.whitening import input_metrics, output_metrics
from editor.model.forward import marked_logits
from editor.model.tokens import one_batch

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "phi3")


def posed(loaded):
    problem = make_problem(loaded)
    return problem.changed(questions=encode(loaded, OTHERS))


def whole_bases(problem):
    """Every output direction of what may change, by parameter name."""
    chosen = parts(problem, problem.attribution.top(20))
    model = problem.loaded.model
    return {
        part.name: torch.eye(model.get_parameter(part.name).shape[1 if part.transposed else 0])
        for part in chosen
    }


def cost(problem, name, change, size=3e-3):
    """Return the mean KL(original || edited) in nats/token on all that must stay, in double precision."""
    model = problem.loaded.model
    batch = one_batch(problem.loaded, problem.retained)
    weight = model.get_parameter(name)
    with torch.no_grad():
        before = marked_logits(model, batch).double().log_softmax(1)
        original = weight.clone()
        try:
            weight += size * change / change.norm()
            after = marked_logits(model, batch).double().log_softmax(1)
        finally:
            weight.copy_(original)
    return float((before.exp() * (before - after)).sum(1).mean())


@pytest.mark.parametrize("family", FAMILIES)
def test_metrics_are_symmetric_and_of_one_size_and_leave_the_model_alone(loaded, family):
    problem = posed(loaded(family))
    bases = whole_bases(problem)
    model = problem.loaded.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = output_metrics(problem, bases)
    again = output_metrics(problem, bases)
    for name, metric in (*found.items(), *input_metrics(problem, list(bases)).items()):
        torch.testing.assert_close(metric, metric.T)
        assert metric.square().sum(1).mean() == pytest.approx(1.0, rel=1e-4)
        assert torch.linalg.eigvalsh(metric.double()).min() > 0, name
    assert all(torch.equal(metric, again[name]) for name, metric in found.items())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_an_output_costs_as_much_as_its_metric_is_small(loaded, family):
    """Along the direction that T stretches most, a change moves the model least, and most where it stretches least."""
    problem = posed(loaded(family))
    bases = whole_bases(problem)
    ratios = []
    for name, metric in output_metrics(problem, bases).items():
        vectors = torch.linalg.eigh(metric).eigenvectors
        weight = problem.loaded.model.get_parameter(name)
        transposed = len(metric) != weight.shape[0] or family == "gpt2"
        row = torch.randn(weight.shape[0 if transposed else 1], generator=torch.Generator().manual_seed(0))
        along = [torch.outer(vectors[:, place], row) for place in (-1, 0)]
        free, dear = (cost(problem, name, one.T if transposed else one) for one in along)
        ratios.append(free / dear)
    assert max(ratios) < 0.8
    assert sum(ratios) / len(ratios) < 0.5


def test_where_nothing_hangs_on_an_output_its_metric_is_the_identity(loaded):
    problem = posed(loaded("llama"))
    name, basis = next(iter(whole_bases(problem).items()))
    (metric,) = output_metrics(problem, {name: torch.zeros_like(basis)}).values()
    assert torch.equal(metric, torch.eye(len(metric)))


def test_a_basis_gives_the_metric_of_its_own_directions(loaded):
    problem = posed(loaded("llama"))
    name, whole = next(iter(whole_bases(problem).items()))
    turned = torch.linalg.qr(torch.randn(len(whole), 5, generator=torch.Generator().manual_seed(1))).Q
    (metric,) = output_metrics(problem, {name: turned}).values()
    assert metric.shape == (5, 5)
    (full,) = output_metrics(problem, {name: torch.linalg.qr(whole + 0.1).Q}).values()
    assert full.shape == whole.shape
