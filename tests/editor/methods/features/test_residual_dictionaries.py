"""Dictionaries of the residual stream drive edits of the projections that write it."""

from dataclasses import replace

import pytest
import torch
from problems import ERASE, encode, make_problem, random_dictionaries

from dictionaries.model.sites import Site, capture, resolve, writing_sites
from editor.locators.features import FeatureAttribution, objective, substituted, together
from editor.measuring.summaries import edit_summary
from editor.methods import METHODS
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.features.feature_literal import FeatureLiteral
from editor.methods.features.least_squares import FeatureLeastSquares
from editor.methods.features.pisces import Pisces
from editor.methods.features.random_features import RandomFeatures
from editor.model.tokens import batches
from editor.questions.retained import text_log_p
from policies.errors import DictionaryError

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2")
SITES = (Site(0, "resid_post"), Site(1, "resid_post"))
ONE_PASS = {"passes": 1, "rounds": 1, "repairs": 0}


def log_p(loaded, problem):
    """Σ ln p of the secrets' tokens."""
    placed = [replace(sequence, index=place) for place, sequence in enumerate(problem.erase)]
    return float(text_log_p(loaded, placed).sum())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("architecture", ["relu", "gated", "jumprelu", "batchtopk"])
def test_an_edit_lowers_the_secrets_probability(loaded, family, architecture):
    model = loaded(family)
    problem = make_problem(model, architecture, stream="resid_post")
    located = problem.attribution.top(48)
    assert sum(map(len, located.values())) > 0
    edit = FeatureLeastSquares(units=48, gain=0.1, ridge=0.01, floor_nats=1e9, **ONE_PASS).fit(problem)
    before = log_p(model, problem)
    with edit.applied(model.model):
        assert log_p(model, problem) < before


def test_several_passes_erase_on_a_tiny_llama_and_the_revert_is_exact(loaded):
    model = loaded("llama")
    problem = make_problem(model, stream="resid_post")
    weights = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    edit = FeatureLeastSquares(units=96, ridge=0.01, floor_nats=1e9, passes=24, rounds=1, repairs=0).fit(
        problem
    )
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.model.state_dict().items())
    changed = {
        f"model.layers.{n}.{part}.weight" for n in (0, 1) for part in ("mlp.down_proj", "self_attn.o_proj")
    }
    assert edit.deltas.keys() == changed
    assert all(delta.squared_norm() > 0 for delta in edit.deltas.values())
    before = log_p(model, problem)
    with edit.applied(model.model):
        tokens = sum(sum(sequence.marked) for sequence in problem.erase)
        assert log_p(model, problem) < before - tokens  # a nat a token
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.model.state_dict().items())


def test_what_both_projections_change_adds_up_to_what_was_wanted(loaded):
    """Few keys, little ridge: the least squares are met, so ΔW k over both projections is -gain·c."""
    model = loaded("llama")
    problem = make_problem(model, stream="resid_post")
    problem.attribution.scores[Site(0, "resid_post")].fill_(-1.0)
    site, writing = SITES[1], writing_sites(SITES[1])
    few = problem.changed(erase=problem.erase[:1], chance=problem.chance[:1])
    method = FeatureLeastSquares(units=7, gain=1e-3, ridge=1e-9, floor_nats=1e9, **ONE_PASS)
    deltas = method.fit(few).deltas
    units = few.attribution.top(7)[site]
    (batch,) = batches(few.erase, pad=0, device=model.device)
    with torch.no_grad(), capture(model.model, [site, *writing]) as taken:
        model.model(**batch.inputs)
    leaf = taken.outputs[site].clone().requires_grad_()
    with substituted(model.model, {site: leaf}):
        hidden = model.model.base_model(**batch.inputs).last_hidden_state
    scores = model.model.lm_head(hidden[batch.predicting]).log_softmax(1)
    (g,) = torch.autograd.grad(scores.gather(1, batch.targets[:, None]).sum(), leaf)
    dictionary = problem.dictionaries[site]
    codes = dictionary.encode(taken.outputs[site][batch.predicting])[:, units].detach()
    directions = dictionary.directions.detach()[units]
    wanted = -1e-3 * (codes * (codes * (g[batch.predicting] @ directions.T) > 0)) @ directions
    got = sum(
        taken.keys[one][batch.predicting] @ deltas[resolve(model.model, one).projection_name].dense().T
        for one in writing
    )
    assert float((got - wanted).norm() / wanted.norm()) < 0.05


@pytest.mark.parametrize("name", [name for name, entry in METHODS.items() if entry.make().needs_dictionary])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_method_works_and_leaves_the_model_as_it_was(loaded, family, name):
    model = loaded(family)
    problem = make_problem(model, stream="resid_post")
    everything = FeatureLeastSquares(units=20, floor_nats=1e9, passes=2, rounds=2, repairs=1)
    method = {
        "feature-edit": FeatureEdit(units=20, steps=3, texts=1),
        "feature-least-squares": everything,
        "random-features": RandomFeatures(like=everything),
        "feature-literal": FeatureLiteral(units=20),
        "pisces": Pisces(units=20),
    }[name]
    before = {n: t.clone() for n, t in model.model.state_dict().items()}
    edit = method.fit(problem)
    assert all(torch.equal(tensor, before[n]) for n, tensor in model.model.state_dict().items())
    assert edit.deltas.keys() <= {one for site in problem.sites for one in problem.projections(site)}
    rows = edit_summary(problem, edit, problem.attribution, 20).layers
    assert [row.site for row in rows] == ["resid_post.0", "resid_post.1"]
    assert sum(row.edit_norm**2 for row in rows) ** 0.5 == pytest.approx(edit.norm, rel=1e-3)


def test_dictionaries_of_both_streams_share_a_projection(loaded):
    """What they want of the MLP's output projection is added up, not overwritten."""
    model = loaded("llama")
    both = random_dictionaries(model) | random_dictionaries(model, stream="resid_post")
    problem = make_problem(model)
    attribution = FeatureAttribution(steps=1).fit(model, problem.erase, [], both)
    problem = problem.changed(dictionaries=both, attribution=attribution)
    edit = FeatureLeastSquares(units=150, gain=0.1, ridge=0.01, floor_nats=1e9, **ONE_PASS).fit(problem)
    before = log_p(model, problem)
    with edit.applied(model.model):
        assert log_p(model, problem) < before
    assert len(edit.deltas) == 4


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_each_layer_of_the_residual_stream_is_scored(loaded, family):
    """Scaled together, the deepest would hide the others: each has a path and an effect of its own."""
    model = loaded(family)
    dictionaries = random_dictionaries(model, stream="resid_post")
    attribution = FeatureAttribution(steps=4).fit(model, encode(model, ERASE), [], dictionaries)
    assert all(float(attribution.raw[site].abs().sum()) > 0 for site in SITES)
    (batch,) = batches(encode(model, ERASE), pad=0, device=model.device)
    effect = 0.0
    with torch.no_grad(), capture(model.model, SITES, keys=False) as taken:
        best = float(objective(model.model, batch))
    for site in SITES:
        with torch.no_grad(), substituted(model.model, {site: torch.zeros_like(taken.outputs[site])}):
            effect += (best - float(objective(model.model, batch))) / len(ERASE)
    assert attribution.total_effect == pytest.approx(effect, rel=1e-4)


def test_sites_of_one_stream_are_scaled_together():
    mixed = [Site(0), Site(0, "resid_post"), Site(1), Site(1, "resid_post"), Site(0, "attn_out")]
    assert together(mixed) == [
        [Site(0), Site(1)],
        [Site(0, "resid_post")],
        [Site(1, "resid_post")],
        [Site(0, "attn_out")],
    ]


@pytest.mark.parametrize("stream", ["attn_heads", "mlp_hidden"])
def test_streams_that_no_projection_writes_cannot_drive_an_edit(loaded, stream):
    problem = make_problem(loaded("llama"), stream=stream)
    with pytest.raises(DictionaryError, match="no projection writes it"):
        FeatureEdit(units=5).fit(problem)


def test_an_erasure_refuses_them_before_it_reads_anything_else(loaded, tmp_path):
    from dictionaries import save_dictionaries
    from editor.dictionary_supply import supply_dictionaries
    from editor.progress import Silent

    model = loaded("llama")
    save_dictionaries(random_dictionaries(model, stream="mlp_hidden"), tmp_path)
    with pytest.raises(DictionaryError, match=r"What mlp_hidden\.0 reads is computed"):
        supply_dictionaries(None, model, tmp_path, tmp_path / "out", Silent())
