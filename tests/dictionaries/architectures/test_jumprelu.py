import pytest
import torch

from dictionaries.architectures.jumprelu import JumpReluSAE, jump
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.model.sites import Site

WIDTH, FEATURES = 12, 20


@pytest.fixture
def sae():
    generator = torch.Generator().manual_seed(0)
    made = JumpReluSAE(DictionaryConfig(site=Site(0), width=WIDTH, features=FEATURES), input_scale=1.7)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
        made.threshold.abs_()
    return made


@pytest.fixture
def x():
    return torch.randn(300, WIDTH, generator=torch.Generator().manual_seed(1))


def test_encoding_follows_the_paper(sae, x):
    pre = 1.7 * x @ sae.W_enc + sae.b_enc
    expected = torch.where(pre > sae.threshold, pre, 0.0)
    torch.testing.assert_close(sae.encode(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (expected @ sae.W_dec + sae.b_dec) / 1.7, atol=1e-5, rtol=1e-5)


def test_the_loss_counts_what_fires(sae, x):
    losses = sae.losses(x, TrainingConfig(bandwidth=0.5), 0.3)
    codes = sae.encode_scaled(x)
    error = (x - codes @ sae.W_dec - sae.b_dec).square().sum(1).mean()
    torch.testing.assert_close(losses.total, error + 0.3 * (codes > 0).float().sum(1).mean())


def test_pseudo_derivatives_are_the_papers():
    """Equations 11 and 12, entry by entry."""
    bandwidth = 0.5
    z = torch.rand(40, FEATURES, generator=torch.Generator().manual_seed(2)).requires_grad_()
    theta = torch.linspace(0.1, 0.9, FEATURES).requires_grad_()
    of_codes, of_on = torch.randn(40, FEATURES), torch.randn(40, FEATURES)
    codes, on = jump(z, theta, bandwidth)
    ((codes * of_codes).sum() + (on * of_on).sum()).backward()
    points, thresholds = z.detach(), theta.detach()
    expected_theta, expected_z = torch.zeros(FEATURES), torch.zeros(40, FEATURES)
    for t in range(40):
        for j in range(FEATURES):
            u = (float(points[t, j]) - float(thresholds[j])) / bandwidth
            kernel = 1.0 if abs(u) < 0.5 else 0.0
            expected_theta[j] -= float(thresholds[j]) / bandwidth * kernel * of_codes[t, j]
            expected_theta[j] -= 1 / bandwidth * kernel * of_on[t, j]
            expected_z[t, j] = of_codes[t, j] if points[t, j] > thresholds[j] else 0.0
    torch.testing.assert_close(theta.grad, expected_theta, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(z.grad, expected_z)


def test_thresholds_never_fall_below_zero(sae):
    with torch.no_grad():
        sae.threshold.fill_(-0.3)
    sae.after_step()
    assert float(sae.threshold.detach().max()) == 0.0
