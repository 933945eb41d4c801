import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from dictionaries.architectures.binary import BinaryAutoencoder, bit_entropy, covariance_sum, step
from dictionaries.config import DictionaryConfig
from dictionaries.model.sites import Site


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


@pytest.mark.parametrize("estimator", ["sigmoid", "straight_through"])
def test_the_whole_gradient_is_the_formulas(estimator):
    """MSE, entropy and covariance at once, against automatic differentiation with bits replaced by surrogates."""
    generator = torch.Generator().manual_seed(5)
    autoencoder = BinaryAutoencoder(DictionaryConfig(site=Site(0), width=8, features=21))
    with torch.no_grad():
        for parameter in autoencoder.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    x = torch.randn(61, 8, generator=generator)  # a prime: no covariance is 0, where its sign is anybody's
    config = replace(autoencoder.defaults, covariance_weight=0.02, estimator=estimator)
    losses = autoencoder.losses(x, config, 0.01)
    losses.total.backward()
    got = {name: parameter.grad.clone() for name, parameter in autoencoder.named_parameters()}
    autoencoder.zero_grad()

    pre = x @ autoencoder.W_enc + autoencoder.b_enc
    smooth = pre.sigmoid() if estimator == "sigmoid" else pre
    bits = (pre > 0).float() + (smooth - smooth.detach())
    mean = bits.mean(dim=0)
    entropy = -(mean * mean.log2() + (1 - mean) * (1 - mean).log2()).sum()
    covariance = (bits - mean).T @ (bits - mean) / len(x)
    covariance = (covariance - covariance.diag().diag()).abs().sum()
    loss = (x - bits @ autoencoder.W_dec - autoencoder.b_dec).square().mean()
    loss = loss + 0.01 * entropy + 0.02 * covariance
    loss.backward()
    torch.testing.assert_close(losses.total, loss, rtol=1e-5, atol=1e-5)
    for name, parameter in autoencoder.named_parameters():
        assert float(parameter.grad.abs().max()) > 0
        torch.testing.assert_close(got[name], parameter.grad, rtol=1e-4, atol=1e-5, msg=name)


PEAK = """
import torch
from pathlib import Path
from dictionaries.architectures.binary import covariance_sum

def mebibytes():  # the peak since this program began: ru_maxrss would count the process that started it
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024

codes = (torch.rand(512, 16384) < 0.1).float().requires_grad_()
before = mebibytes()
covariance_sum(codes).backward()
assert codes.grad.abs().max() > 0
print(mebibytes() - before)
"""


@pytest.mark.slow
def test_the_covariance_of_16384_bits_takes_less_than_two_gibibytes():
    """The plain formula holds several matrices of 1 GiB each; a batch of 512, in a process of its own."""
    peak = float(subprocess.check_output([sys.executable, "-c", PEAK], text=True))
    assert peak < 2048, peak


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
