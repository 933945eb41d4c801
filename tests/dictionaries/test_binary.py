import math

import pytest
import torch

from dictionaries.binary import BinaryAutoencoder, bit_entropy, covariance_sum, step
from dictionaries.config import DictionaryConfig
from dictionaries.sites import Site


@pytest.fixture
def bits():
    generator = torch.Generator().manual_seed(0)
    rate = torch.rand(13, generator=generator)
    return (torch.rand(50, 13, generator=generator) < rate).float()


def test_step_is_strict_and_has_the_stated_gradients():
    x = torch.tensor([-2.0, -0.0, 0.0, 1e-30, 3.0], requires_grad=True)
    assert step(x, "sigmoid").tolist() == [0, 0, 0, 1, 1]
    upstream = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    step(x, "sigmoid").backward(upstream)
    torch.testing.assert_close(x.grad, upstream * x.sigmoid().detach() * (1 - x.sigmoid().detach()))
    x.grad = None
    step(x, "straight_through").backward(upstream)
    assert torch.equal(x.grad, upstream)


def test_entropy_against_a_plain_loop(bits):
    total = 0.0
    for column in bits.T.tolist():
        p = sum(column) / len(column)
        total -= sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)
    assert float(bit_entropy(bits)) == pytest.approx(total, abs=1e-3)


def test_entropy_of_constant_bits_is_finite_in_value_and_gradient():
    constant = torch.cat([torch.zeros(8, 2), torch.ones(8, 2)], dim=1).requires_grad_()
    entropy = bit_entropy(constant)
    entropy.backward()
    assert float(entropy.detach()) < 1e-3
    assert bool(torch.isfinite(constant.grad).all())


def test_covariance_against_a_plain_loop(bits):
    columns = bits.T.tolist()
    total = 0.0
    for i, left in enumerate(columns):
        for j, right in enumerate(columns):
            if i != j:
                mean_left, mean_right = sum(left) / 50, sum(right) / 50
                total += (
                    abs(sum((a - mean_left) * (b - mean_right) for a, b in zip(left, right, strict=True)))
                    / 50
                )
    assert float(covariance_sum(bits)) == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("block", [1, 4, 13, 99])
def test_blockwise_covariance_equals_the_full_one_in_value_and_gradient(block):
    codes = torch.rand(40, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).float()
    full, blockwise = codes.clone().requires_grad_(), codes.clone().requires_grad_()
    centred = full - full.mean(dim=0)
    covariance = centred.T @ centred / 40
    expected = covariance.abs().sum() - covariance.diagonal().abs().sum()
    got = covariance_sum(blockwise, block)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    (3 * got).backward()
    (3 * expected).backward()
    torch.testing.assert_close(blockwise.grad, full.grad, rtol=1e-4, atol=1e-6)


def test_folding_keeps_the_function():
    generator = torch.Generator().manual_seed(3)
    autoencoder = BinaryAutoencoder(DictionaryConfig(site=Site(0), width=10, features=17))
    with torch.no_grad():
        for parameter in autoencoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    autoencoder.double()
    raw = torch.randn(64, 10, generator=generator, dtype=torch.float64) * 3 + 2
    shift, scale = raw.mean(dim=0), 0.37
    standardised = (raw - shift) * scale
    codes, decoded = autoencoder.encode(standardised), autoencoder(standardised)
    autoencoder.adopt(shift, scale)
    assert torch.equal(autoencoder.encode(raw), codes)
    torch.testing.assert_close(autoencoder(raw), decoded / scale + shift)
    assert autoencoder.input_scale == 1.0


def test_salience_counts_bits_that_are_off_against_their_habit():
    autoencoder = BinaryAutoencoder(DictionaryConfig(site=Site(0), width=2, features=3))
    autoencoder.calibrate(torch.tensor([0.9, 0.1, 0.5]))
    salience = autoencoder.salience(torch.tensor([0.0, 0.0, 1.0]))
    assert salience.tolist() == pytest.approx([math.log2(0.9), math.log2(0.1), -1.0], abs=1e-3)
