"""What every architecture promises."""

import math
from dataclasses import replace

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES, find_architecture
from dictionaries.architectures.binary import bit_entropy
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import remove_radial_gradient
from dictionaries.evaluation.evaluate import Accumulator
from dictionaries.model.activations import Statistics
from dictionaries.model.sites import Site
from dictionaries.training.loop import SiteTrainer
from policies.errors import DictionaryError

WIDTH, FEATURES = 24, 40


@pytest.fixture(params=sorted(ARCHITECTURES))
def kind(request):
    return ARCHITECTURES[request.param]


def statistics_of(x):
    mean = x.double().mean(dim=0)
    mean_square = float(x.double().square().sum(dim=1).mean())
    return Statistics(mean.float(), mean_square, mean_square - float(mean.square().sum()))


def make_trainer(kind, x, **settings):
    config = replace(kind.defaults, features=FEATURES, **settings)
    return SiteTrainer(
        kind,
        Site(0),
        statistics=statistics_of(x),
        config=config,
        width=x.shape[1],
        model_name="none",
        generator=torch.Generator().manual_seed(0),
    )


def train(kind, x, steps, batch=256, **settings):
    trainer = make_trainer(kind, x, steps=steps, batch_size=batch, **settings)
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        trainer.step(x[torch.randint(len(x), (batch,), generator=generator)], step)
    trainer.dictionary.adopt(trainer.shift, trainer.scale)
    with torch.no_grad():
        trainer.dictionary.calibrate(trainer.dictionary.encode(x).mean(dim=0))
    return trainer.dictionary.requires_grad_(False)


@pytest.fixture
def trained(kind, make_planted):
    x, _ = make_planted(2000, 30, WIDTH)
    return train(kind, 7.0 * x, 60), 7.0 * x


def test_contributions_add_up_to_the_reconstruction(trained):
    dictionary, x = trained
    codes = dictionary.encode(x)
    rest = dictionary.decode(dictionary.baseline)
    contributions = (codes - dictionary.baseline) @ dictionary.directions
    torch.testing.assert_close(dictionary.decode(codes), rest + contributions, atol=1e-4, rtol=1e-4)
    assert dictionary.directions.shape == (FEATURES, WIDTH)
    assert dictionary.baseline.shape == (FEATURES,)


def test_public_methods_act_on_raw_units(kind, make_planted):
    """Training on c·x gives the same dictionary but for the scale of what goes in and comes out."""
    x, _ = make_planted(2000, 30, WIDTH)
    small, large = train(kind, x, 20), train(kind, 64.0 * x, 20)
    torch.testing.assert_close(small.encode(x), large.encode(64.0 * x), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(64.0 * small(x), large(64.0 * x), atol=2e-2, rtol=1e-3)
    torch.testing.assert_close(64.0 * small.directions, large.directions, atol=1e-2, rtol=1e-3)


def test_encoding_takes_any_leading_shape_and_dtype(trained):
    dictionary, x = trained
    rows = x[:6]
    assert torch.equal(dictionary.encode(rows.view(2, 3, WIDTH)).view(6, FEATURES), dictionary.encode(rows))
    assert dictionary(rows.bfloat16()).dtype == torch.float32


def test_codes_are_not_negative(trained):
    dictionary, x = trained
    assert float(dictionary.encode(x).min()) >= 0


def test_training_under_autocast_keeps_parameters_in_float32(kind, make_planted):
    x, _ = make_planted(2000, 30, WIDTH)
    dictionary = train(kind, x, 30, precision="bfloat16", covariance_weight=1e-7)
    assert {parameter.dtype for parameter in dictionary.parameters()} == {torch.float32}
    assert bool(torch.isfinite(dictionary(x)).all())


def test_training_is_reproducible(kind, make_planted):
    x, _ = make_planted(500, 30, WIDTH)
    one, two = train(kind, x, 10), train(kind, x, 10)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_dead_features_are_revived(kind, make_planted):
    x, _ = make_planted(2000, 30, WIDTH)
    trainer = make_trainer(kind, x, steps=300, batch_size=256, resample_every=50)
    with torch.no_grad():
        trainer.dictionary.b_enc[:10] = -100.0
    for step in range(60):
        trainer.step(x[:256], step)
    assert trainer.revived >= 10
    assert bool((trainer.dictionary.b_enc[:10] > -50).all())
    assert bool((trainer.dictionary.encode(trainer.scale * (x - trainer.shift))[:, :10] > 0).any())


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"binary"}))
def test_decoder_rows_have_norm_one_after_every_step(name, make_planted):
    x, _ = make_planted(500, 30, WIDTH)
    trainer = make_trainer(ARCHITECTURES[name], x, steps=5)
    for step in range(5):
        trainer.step(x, step)
        norms = torch.linalg.vector_norm(trainer.dictionary.W_dec.detach().double(), dim=1)
        torch.testing.assert_close(norms, torch.ones_like(norms), atol=2e-7, rtol=0)


def test_gradient_along_the_rows_is_removed():
    weight = torch.nn.Parameter(torch.nn.functional.normalize(torch.randn(5, 8), dim=1))
    weight.grad = torch.randn(5, 8)
    expected = weight.grad - (weight.grad * weight.data).sum(1, keepdim=True) * weight.data
    remove_radial_gradient(weight)
    torch.testing.assert_close(weight.grad, expected)
    assert float((weight.grad * weight.data).sum(dim=1).abs().max()) < 1e-6


@pytest.mark.parametrize("name", ["gated", "relu", "topk", "batchtopk", "matryoshka", "jumprelu"])
def test_planted_features_are_recovered(name, make_planted):
    x, directions = make_planted(20_000, 30, WIDTH)
    rate = 1e-3 if name == "matryoshka" else 3e-3
    dictionary = train(ARCHITECTURES[name], x, 600, sparsity=2.0, learning_rate=rate, k=2)
    rows = torch.nn.functional.normalize(dictionary.directions, dim=1)
    best = (directions @ rows.T).max(dim=1).values
    assert float((best > 0.9).double().mean()) > 0.9
    total = Accumulator(dictionary)
    total.add(make_planted(4000, 30, WIDTH)[0])
    assert total.explained_variance > 0.75
    assert total.l0 < 4.5  # two are on at a time


def test_gating_removes_the_shrinkage_of_relu(make_planted):
    x, _ = make_planted(20_000, 30, WIDTH)
    total = {}
    for name in ("gated", "relu"):
        total[name] = Accumulator(train(ARCHITECTURES[name], x, 600, sparsity=2.0, learning_rate=3e-3))
        total[name].add(x)
    assert 0.98 < total["gated"].gamma < 1.02
    assert total["relu"].gamma < 0.9
    assert total["gated"].explained_variance > total["relu"].explained_variance + 0.1


def test_binary_features_are_recovered_and_entropy_is_a_price(make_planted):
    x, _ = make_planted(20_000, 16, WIDTH, binary=True)
    kind = ARCHITECTURES["binary"]
    entropy = {}
    for weight in (0.0, 1e-2):
        dictionary = train(kind, x, 500, sparsity=weight, learning_rate=1e-2, sparsity_warmup_steps=100)
        codes = dictionary.encode(x)
        assert set(codes.unique().tolist()) <= {0.0, 1.0}
        entropy[weight] = float(bit_entropy(codes))
        if not weight:
            total = Accumulator(dictionary)
            total.add(x)
            assert total.explained_variance > 0.8
            assert 0.97 < total.gamma < 1.03
    assert entropy[1e-2] < 0.7 * entropy[0.0]


def test_settings_are_checked_and_scheduled():
    config = TrainingConfig(
        steps=100, learning_rate_warmup_steps=10, learning_rate_decay_share=0.2, learning_rate=1.0
    )
    assert config.learning_rate_at(0) == pytest.approx(0.1)
    assert config.learning_rate_at(50) == 1.0
    assert config.learning_rate_at(99) == pytest.approx(0.05)
    ramp = TrainingConfig(sparsity=2.0, sparsity_warmup_steps=10)
    assert (ramp.sparsity_at(4), ramp.sparsity_at(99)) == (pytest.approx(1.0), 2.0)
    late = replace(ramp, sparsity_ramp="step")
    assert (late.sparsity_at(9), late.sparsity_at(10)) == (0.0, 2.0)
    for bad in ({"steps": 0}, {"learning_rate": math.nan}, {"sparsity": -1.0}, {"batch_size": -5}):
        with pytest.raises(DictionaryError, match=next(iter(bad))):
            TrainingConfig(**bad)
    with pytest.raises(DictionaryError, match="width 0"):
        DictionaryConfig(site=Site(0), width=0, features=4)
    with pytest.raises(DictionaryError, match="is not an architecture"):
        find_architecture("dense")


def test_constant_or_broken_activations_are_refused(kind):
    with pytest.raises(DictionaryError, match="constant or not finite"):
        make_trainer(kind, torch.full((10, WIDTH), math.nan))
    with pytest.raises(DictionaryError, match="constant or not finite"):
        make_trainer(kind, torch.zeros(10, WIDTH))
