"""What every method guarantees, and what the main one solves."""

from dataclasses import MISSING, fields, replace

import pytest
import torch
from problems import make_problem

from dictionaries.model.sites import Site, capture, resolve
from editor.cli.erase import OFFERED
from editor.locators.features import objective, substituted
from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.locators.privacy_neurons import PrivacyNeurons
from editor.locators.sparse_probing import SparseProbing
from editor.methods import METHODS
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.feature_literal import FeatureLiteral
from editor.methods.features.least_squares import FeatureLeastSquares
from editor.methods.features.random_features import RandomFeatures
from editor.methods.neurons.neuron_depn import NeuronDepn
from editor.methods.neurons.neuron_kn import NeuronKn
from editor.methods.neurons.neuron_probe import NeuronProbe
from editor.methods.neurons.random_neurons import RandomNeurons
from editor.methods.shared.keyed import EPSILON, before_norm
from editor.methods.weights.memit import Memit
from editor.methods.weights.residual_targets import ResidualTargets
from editor.model.tokens import batches

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2")
SMALL = {"units": 20, "passes": 3, "rounds": 1}
ONE_PASS = {"passes": 1, "rounds": 1, "repairs": 0}


def fast(name):
    everything = FeatureLeastSquares(units=20, floor_nats=1e9, passes=2, rounds=2, repairs=1)
    few = NeuronKn(units=20, locator=KnowledgeNeurons(steps=2))
    chosen = {
        "feature-edit": FeatureEdit(units=20, steps=3, texts=1, questions=2),
        "feature-least-squares": everything,
        "random-features": RandomFeatures(like=everything),
        "neuron-kn": few,
        "neuron-depn": NeuronDepn(units=20, locator=PrivacyNeurons(steps=2)),
        "neuron-probe": NeuronProbe(locator=SparseProbing(sizes=(8, 1), prefilter=24, exact_among=10)),
        "random-neurons": RandomNeurons(like=few),
        "memit": Memit(targets=ResidualTargets(steps=2)),
    }
    method = METHODS[name].make()
    small = {"units": 20} if "units" in {item.name for item in fields(method)} else {}
    return chosen.get(name) or replace(method, **small)


def margin(loaded, problem):
    with torch.no_grad():
        found = batches(problem.erase, pad=0, device=loaded.device)
        return sum(float(objective(loaded.model, batch)) for batch in found)


def test_every_method_but_the_random_ones_has_its_name_on_the_command_line():
    assert set(OFFERED) == {name for name in METHODS if not name.startswith("random-")}


@pytest.mark.parametrize("name", METHODS)
def test_an_entry_makes_what_it_names(name):
    entry = METHODS[name]
    method = entry.make()
    assert name == ("random-circuit" if entry.settings else method.name)
    assert (entry.family == "random") is name.startswith("random-")
    assert entry.title
    assert entry.title[0].islower()
    assert f".{entry.family}." in f"{type(method).__module__}." or entry.family == "random"
    assert all(
        item.name in ("like", "norm", "seed")
        or item.default is not MISSING
        or item.default_factory is not MISSING
        for item in fields(method)
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_told_from_itself_by_chance_or_from_random_directions(name):
    method = METHODS[name].make()
    controls = method.controls(0.5, seed=7)
    assert all(control.title and control.method.fit for control in controls)
    if METHODS[name].family in ("neurons", "circuits"):
        assert [repr(control.method).count("seed=7") > 0 for control in controls] == [True]
    if METHODS[name].family == "random":
        assert controls == ()


BY_THEMSELVES = ("circuit-", "random-circuit", "grad-ascent", "npo-lora", "feature-edit")
"""Methods that change more than those projections, and have tests of their own."""


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith(BY_THEMSELVES)])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_method_leaves_the_model_as_it_was_and_edits_declared_projections(loaded, family, name):
    model = loaded(family)
    problem = make_problem(model)
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    edit = fast(name).fit(problem)
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.model.state_dict().items())
    weights = {problem.parameter(site)[0] for site in problem.sites}
    assert edit.deltas.keys() <= weights | {name.replace("weight", "bias") for name in weights}
    assert not edit.is_empty
    assert edit.method == name
    again = fast(name).fit(make_problem(model))
    assert all(torch.equal(again.deltas[n].dense(), d.dense()) for n, d in edit.deltas.items())


@pytest.mark.parametrize("architecture", ["relu", "gated", "binary"])
@pytest.mark.parametrize("family", FAMILIES)
def test_least_squares_lower_the_secrets_margin(loaded, family, architecture):
    """Small steps against features of positive attribution must lower what they were attributed."""
    model = loaded(family)
    problem = make_problem(model, architecture)
    edit = FeatureLeastSquares(units=48, gain=0.1, ridge=0.01, floor_nats=1e9, **ONE_PASS).fit(problem)
    before = margin(model, problem)
    with edit.applied(model.model):
        assert margin(model, problem) < before


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_one_pass_solves_the_stated_normal_equations(loaded, family):
    """ΔW (KᵀK/n + λ C₀ + ε I) = RᵀK/n with r = -gain·c, all recomputed plainly, at the one site of layer 1."""
    model = loaded(family)
    problem = make_problem(model)
    site = Site(1)
    problem.attribution.scores[Site(0)].fill_(-1.0)
    method = FeatureLeastSquares(units=7, gain=1e-3, ridge=0.4, floor_nats=1e9, **ONE_PASS)
    (delta,) = method.fit(problem).deltas.values()
    change = delta.dense().T if problem.parameter(site)[1] else delta.dense()
    units = problem.attribution.top(7)[site]
    found = [
        plain_targets(model, problem.dictionaries[site], sequence, site, units) for sequence in problem.erase
    ]
    k, r = torch.cat([keys for keys, _ in found]), torch.cat([-1e-3 * pull for _, pull in found])
    kept = torch.cat([plain_keys(model, sequence, site) for sequence in problem.retain])
    system = k.T @ k / len(k) + 0.4 * kept.T @ kept / len(kept)
    system += EPSILON * system.diagonal().mean() * torch.eye(len(system))
    torch.testing.assert_close(change @ system, r.T @ k / len(k), rtol=2e-2, atol=2e-6)


def plain_keys(model, sequence, site):
    with torch.no_grad(), capture(model.model, [site]) as taken:
        model.model(torch.tensor([sequence.ids]))
    return taken.keys[site][0, answer_positions(sequence)]


def answer_positions(sequence):
    return [i - 1 for i, mark in enumerate(sequence.marked) if mark]


def plain_targets(model, dictionary, sequence, site, units):
    """Keys and c_t of one sequence: a feature counts where moving along it moves ln p of the next token up."""
    at = answer_positions(sequence)
    ids = torch.tensor([sequence.ids])
    with torch.no_grad(), capture(model.model, [site]) as taken:
        model.model(ids)
    output, keys = taken.outputs[site].clone(), taken.keys[site][0, at]
    leaf = output.clone().requires_grad_()
    with substituted(model.model, {site: leaf}):
        log_p = model.model(ids).logits[0].float().log_softmax(1)
    total = sum(log_p[t, sequence.ids[t + 1]] for t in at)
    (gradient,) = torch.autograd.grad(total, leaf)
    with torch.no_grad():
        pulls = []
        for t in at:
            codes = dictionary.encode(output[0, t]) - dictionary.baseline
            terms = [codes[j] * dictionary.directions[j] for j in units.tolist()]
            pulls.append(sum((term for term in terms if float(term @ gradient[0, t]) > 0), torch.zeros(24)))
    return keys, torch.stack(pulls)


def test_targets_are_mapped_through_gemmas_norm(loaded):
    """A small wanted change of the site's output arrives there, up to what the norm's own scale takes away."""
    model = loaded("gemma2")
    found = resolve(model.model, Site(1))
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(5, 40, generator=generator)
    with torch.no_grad():
        u = found.projection(keys)
        wanted = torch.randn(5, 24, generator=generator) * 1e-3
        wanted -= (
            (wanted * found.norm(u)).sum(1, keepdim=True)
            / found.norm(u).pow(2).sum(1, keepdim=True)
            * found.norm(u)
        )
        got = found.norm(u + before_norm(found, keys, wanted)) - found.norm(u)
    error = (got - wanted).norm() / wanted.norm()
    assert float(error) < 0.15
    plain = (found.norm(u + wanted) - found.norm(u) - wanted).norm() / wanted.norm()
    assert float(error) < 0.5 * float(plain)


def test_tokens_that_chance_gives_are_not_pushed(loaded):
    """Where format alone gives the answer, there is nothing to erase."""
    problem = make_problem(loaded("gpt2"))
    known = replace(problem, chance=[torch.zeros_like(chance) for chance in problem.chance])
    for method in (FeatureEdit(units=20, steps=2), FeatureLeastSquares(units=20, floor_nats=1e9)):
        assert method.fit(known).is_empty
        assert not method.fit(problem).is_empty


def test_random_features_avoid_the_located_and_match_the_norm(loaded):
    problem = make_problem(loaded("gpt2"))
    method = RandomFeatures(like=FeatureLeastSquares(**SMALL), norm=0.5, seed=1)
    located, drawn = problem.attribution.top(20), method._draw(problem.attribution).top(20)
    for site, units in located.items():
        assert not set(units.tolist()) & set(drawn[site].tolist())
    assert method.fit(problem).norm == pytest.approx(0.5, rel=1e-3)


def test_literal_zeroes_entries_and_nothing_else(loaded):
    problem = make_problem(loaded("llama"))
    for name, delta in FeatureLiteral(units=5).fit(problem).deltas.items():
        weight = problem.loaded.model.get_parameter(name)
        changed = (weight + delta.dense()).abs()
        kept = torch.isclose(changed, weight.abs(), rtol=1e-3, atol=1e-4)
        assert bool((kept | (changed < 1e-3)).all())
        assert bool((changed < 1e-3).any())


@pytest.mark.parametrize("family", FAMILIES)
def test_neuron_methods_set_columns_of_located_neurons_to_zero_and_nothing_else(loaded, family):
    model = loaded(family)
    problem = make_problem(model)
    method = fast("neuron-depn")
    edit = method.fit(problem)
    located = method.located(problem).top(20)
    assert sum(len(units) for units in located.values()) == 20
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    with edit.applied(model.model):
        for site, units in located.items():
            name, transposed = problem.parameter(Site(site.layer))
            columns = (
                model.model.get_parameter(name) if transposed else model.model.get_parameter(name).T
            ).clone()
            assert not columns[units].any()
            kept = torch.ones(len(columns), dtype=torch.bool)
            kept[units] = False
            original = before.pop(name)
            assert torch.equal(columns[kept], (original if transposed else original.T)[kept])
        assert all(torch.equal(model.model.state_dict()[n], t) for n, t in before.items())


def test_random_neurons_avoid_the_located_and_match_counts_and_norm(loaded):
    problem = make_problem(loaded("llama"))
    like = fast("neuron-depn")
    method = RandomNeurons(like=like, norm=0.5, seed=1)
    located, drawn = like.located(problem).top(20), method.located(problem).top(20)
    for site, units in located.items():
        assert len(drawn[site]) == len(units)
        assert not set(units.tolist()) & set(drawn[site].tolist())
    assert method.fit(problem).norm == pytest.approx(0.5, rel=1e-5)
    other = RandomNeurons(like=like, seed=2).located(problem).top(20)
    assert any(not torch.equal(other[site], units) for site, units in drawn.items())


def test_random_neurons_are_turned_round_as_far_as_the_method_they_copy(loaded):
    problem = make_problem(loaded("llama"))
    like = fast("neuron-depn")
    once, twice = (RandomNeurons(like=replace(like, strength=s)).fit(problem).norm for s in (1.0, 2.0))
    assert twice == pytest.approx(2 * once, rel=1e-5)
