import pytest
import torch

from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.evaluate import Accumulator
from dictionaries.model.sites import Site

WIDTH, FEATURES = 12, 20


@pytest.fixture(params=["relu", "gated", "topk"])
def sae(request):
    generator = torch.Generator().manual_seed(0)
    made = ARCHITECTURES[request.param](
        DictionaryConfig(site=Site(0), width=WIDTH, features=FEATURES), input_scale=1.3
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return made.requires_grad_(False)


@pytest.fixture
def x():
    return 3 + 5 * torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", ["constant_norm", "layer_norm"])
def test_each_token_is_normalised_and_put_back(sae, x, norm):
    sae.input_norm = norm
    for row in x:
        if norm == "constant_norm":
            shift, spread = torch.zeros(()), row.norm() / WIDTH**0.5
            inner = row / spread
        else:
            shift, spread = row.mean(), row.std()
            inner = (row - shift) / (spread + 1e-5)
        codes = sae.encode_scaled(1.3 * inner)
        expected = spread * (codes @ sae.W_dec + sae.b_dec) / 1.3 + shift
        torch.testing.assert_close(sae(row[None])[0], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(sae.encode(row[None])[0], codes * spread, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["constant_norm", "layer_norm"])
def test_features_write_their_strength_times_their_direction(sae, x, norm):
    sae.input_norm = norm
    codes = sae.encode(x)
    without = codes.clone()
    without[:, 3] = 0.0
    lost = sae.decode(codes, x) - sae.decode(without, x)
    torch.testing.assert_close(lost, codes[:, 3:4] * sae.directions[3], atol=1e-4, rtol=1e-4)


def test_decoding_alone_is_refused(sae, x):
    sae.input_norm = "layer_norm"
    with pytest.raises(ValueError, match="beside the activations"):
        sae.decode(sae.encode(x))


def test_the_evaluator_puts_the_norm_back(sae, x):
    sae.input_norm = "layer_norm"
    total = Accumulator(sae)
    total.add(x)
    error = (x - sae(x)).double().square().sum(1).mean()
    variance = (x - x.mean(0)).double().square().sum(1).mean()
    assert total.explained_variance == pytest.approx(float(1 - error / variance), rel=1e-5)
