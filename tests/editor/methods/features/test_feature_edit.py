"""The main method: where it may change weights, what it lowers, what it holds."""

from dataclasses import replace

import pytest
import torch
from problems import OTHERS, encode, make_problem

from dictionaries.model.sites import Site, resolve
from editor.methods.features import feature_edit
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.span import SpanChanges, parts
from editor.methods.shared.keyed import inverse_gain
from editor.methods.shared.predictions import Predictions
from editor.methods.shared.token_targets import log_odds
from editor.model import traced_parts
from editor.model.forward import marked_logits, token_log_p
from editor.model.tokens import one_batch

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "phi3")
ARCHITECTURES = ("relu", "gated", "binary")
FEW = {"units": 20, "texts": 1, "questions": 2}


def posed(loaded, **changes):
    problem = make_problem(loaded, **changes)
    return problem.changed(questions=encode(loaded, OTHERS))


def secrets_log_p(problem):
    with torch.no_grad():
        return float(token_log_p(problem.loaded.model, one_batch(problem.loaded, problem.erase)).mean())


@pytest.mark.parametrize(
    ("family", "architecture"),
    [*((family, "relu") for family in FAMILIES), *((FAMILIES[0], name) for name in ARCHITECTURES[1:])],
)
def test_the_secrets_become_less_probable_and_the_model_stays_as_it_was(loaded, family, architecture):
    problem = posed(loaded(family), architecture=architecture)
    model = problem.loaded.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    wanted = {name: weight.requires_grad for name, weight in model.named_parameters()}
    edit = FeatureEdit(steps=40, retain=0.0, **FEW).fit(problem)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == wanted
    original = secrets_log_p(problem)
    with edit.applied(model):
        assert secrets_log_p(problem) < original - 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_each_weight_changes_in_the_span_of_located_features_alone(loaded, family):
    problem = posed(loaded(family))
    model = problem.loaded.model
    located = {site: units for site, units in problem.attribution.top(5).items() if len(units)}
    edit = FeatureEdit(steps=3, **FEW | {"units": 5}).fit(problem)
    assert edit.deltas.keys() == {one for site in located for one in problem.projections(site)}
    for site, units in located.items():
        name, transposed = problem.parameter(site)
        rows = problem.dictionaries[site].directions.detach()[units] * inverse_gain(resolve(model, site))
        basis = torch.linalg.qr(rows.T).Q  # D
        change = edit.deltas[name].dense()
        change = change.T if transposed else change
        torch.testing.assert_close(basis @ (basis.T @ change), change, rtol=1e-4, atol=1e-6)
        weight = model.get_parameter(name).detach()
        neurons = torch.linalg.qr((weight if transposed else weight.T) @ basis).Q  # N
        for one in problem.projections(site)[1:]:
            found = edit.deltas[one].dense()
            found = found.T if found.shape[0] % len(neurons) else found
            for block in found.split(len(neurons)):
                torch.testing.assert_close(neurons @ (neurons.T @ block), block, rtol=1e-4, atol=1e-6)


def test_what_must_stay_counts_for_more_where_its_weight_is_larger(loaded):
    problem = posed(loaded("llama"))
    sequences = [*problem.retain, *problem.questions]

    def moved(retain):
        edit = FeatureEdit(steps=30, retain=retain, seed=1, **FEW).fit(problem)
        known = Predictions(problem.loaded, sequences)
        known.read(range(len(sequences)))
        with edit.applied(problem.loaded.model):
            logits = marked_logits(problem.loaded.model, one_batch(problem.loaded, sequences))
        return float(known.divergence(range(len(sequences)), logits).mean())

    free, held = moved(0.0), moved(1000.0)
    assert held < 0.5 * free


def test_a_fit_goes_on_from_an_edit(loaded):
    problem = posed(loaded("gpt2"))
    first = FeatureEdit(steps=6, retain=0.0, **FEW).fit(problem)
    further = FeatureEdit(warm_start_steps=6, retain=0.0, **FEW).fit_from(problem, first)
    with first.applied(problem.loaded.model):
        begun = secrets_log_p(problem)
    with further.applied(problem.loaded.model):
        assert secrets_log_p(problem) < begun
    same = FeatureEdit(warm_start_steps=0, **FEW).fit_from(problem, first)
    for name, delta in first.deltas.items():
        torch.testing.assert_close(same.deltas[name].dense(), delta.dense(), rtol=1e-4, atol=1e-6)


def test_tokens_at_their_target_are_left_alone(loaded):
    """What has come below chance by the margin is pushed no further."""
    problem = posed(loaded("gpt2"))
    low = [torch.full_like(chance, -1.0) for chance in problem.chance]
    assert FeatureEdit(steps=3, margin_nats=0.0, **FEW).fit(replace(problem, chance=low)).is_empty


def test_a_problem_without_questions_or_texts_is_solved_too(loaded):
    problem = posed(loaded("gpt2"))
    for changed in (problem.changed(questions=()), problem.changed(retain=())):
        assert not FeatureEdit(steps=2, **FEW).fit(changed).is_empty


def test_the_same_seed_gives_the_same_edit(loaded):
    problem = posed(loaded("llama"))
    one, again, other = (FeatureEdit(steps=4, seed=seed, **FEW).fit(problem) for seed in (1, 1, 2))
    assert all(torch.equal(again.deltas[n].dense(), d.dense()) for n, d in one.deltas.items())
    assert any(not torch.equal(other.deltas[n].dense(), d.dense()) for n, d in one.deltas.items())


def test_weights_are_put_back_where_a_fit_breaks_off(loaded):
    problem = posed(loaded("llama"))
    model = problem.loaded.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    changes = SpanChanges(problem, parts(problem, problem.attribution.top(5)))

    def break_off():
        for coefficient in changes.coefficients:
            coefficient.data += 1.0
        changes.write()
        assert not torch.equal(model.state_dict()[changes.parts[0].name], before[changes.parts[0].name])
        with changes.suspended():
            assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        raise ZeroDivisionError

    with changes, pytest.raises(ZeroDivisionError):
        break_off()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_two_sites_that_one_projection_writes_share_its_part(loaded):
    problem = posed(loaded("llama"), stream="resid_post")
    chosen = parts(problem, problem.attribution.top(48))
    assert len({part.name for part in chosen}) == len(chosen)
    assert {Site(layer, stream) for layer in (0, 1) for stream in ("mlp_out", "attn_out")} == set(
        problem.writing(problem.attribution.top(48))
    )
    for part in chosen:
        assert torch.linalg.matrix_rank(part.basis) == part.basis.shape[1]  # no direction twice


def test_log_odds_are_the_logit_less_the_log_sum_exp_of_the_others():
    logits = torch.randn(5, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    others = logits[:, 1:].logsumexp(1)
    torch.testing.assert_close(log_odds(logits.log_softmax(1)[:, 0]), logits[:, 0] - others)
    assert torch.isfinite(log_odds(torch.tensor([0.0, -1e-9, -1e9]))).all()


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_step_in_parts_is_the_step_of_all_at_once(loaded, family, monkeypatch):
    problem = posed(loaded(family))
    method = FeatureEdit(steps=5, seed=2, **FEW)
    whole = method.fit(problem)
    counted = []
    monkeypatch.setattr(traced_parts, "LEAST_TOKENS", 1)
    for module in (feature_edit, traced_parts):
        monkeypatch.setattr(module, "gradient_budget", lambda _: 20)
    real = SpanChanges.add_gradients
    monkeypatch.setattr(
        SpanChanges, "add_gradients", lambda self, loss: (counted.append(1), real(self, loss))
    )
    parted = method.fit(problem)
    assert len(counted) > 3 * method.steps
    for name, delta in whole.deltas.items():
        torch.testing.assert_close(parted.deltas[name].dense(), delta.dense(), rtol=1e-2, atol=1e-5)
