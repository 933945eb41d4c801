import pytest
import torch

from dictionaries.architectures.gated import GatedSAE
from dictionaries.config import DictionaryConfig
from dictionaries.model.sites import Site

WIDTH, FEATURES = 12, 20


@pytest.fixture
def dictionary():
    """Random in every parameter, so that no term vanishes."""
    generator = torch.Generator().manual_seed(0)
    sae = GatedSAE(DictionaryConfig(site=Site(0), width=WIDTH, features=FEATURES), input_scale=1.7)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return sae


@pytest.fixture
def x():
    return torch.randn(300, WIDTH, generator=torch.Generator().manual_seed(1))


def test_encoding_follows_the_paper(dictionary, x):
    sae = dictionary
    centred = 1.7 * x - sae.b_dec
    gate = (centred @ sae.W_enc + sae.b_enc > 0).float()
    magnitude = (centred @ (sae.W_enc * sae.r_mag.exp()) + sae.b_mag).relu()
    torch.testing.assert_close(sae.encode(x), gate * magnitude, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (gate * magnitude @ sae.W_dec + sae.b_dec) / 1.7, atol=1e-5, rtol=1e-5)


def test_the_jumprelu_form_is_the_same_function(dictionary, x):
    form = dictionary.double().as_jumprelu()
    pre = (1.7 * x.double() - dictionary.b_dec) @ form.W_enc + form.b_enc
    torch.testing.assert_close(dictionary.encode(x), pre * (pre > form.threshold), atol=1e-12, rtol=1e-12)
    assert bool((form.threshold >= 0).all())
    assert bool((form.threshold > 0).any())
    assert bool((form.threshold == 0).any())


def test_losses_follow_the_paper(dictionary, x):
    sae = dictionary
    codes = sae.encode_scaled(x)
    gate = ((x - sae.b_dec) @ sae.W_enc + sae.b_enc).relu()
    reconstruction = (x - codes @ sae.W_dec - sae.b_dec).square().sum(1).mean()
    auxiliary = (x - gate @ sae.W_dec - sae.b_dec).square().sum(1).mean()
    losses = sae.losses(x, sae.defaults, 0.3)
    torch.testing.assert_close(losses.total, reconstruction + 0.3 * gate.sum(1).mean() + auxiliary)


def test_the_auxiliary_decode_leaves_the_decoder_alone(dictionary, x):
    """With every strength at 0 and gates open, its gradient on both decoder tensors is zero, not merely small.

    `b_dec` also enters the reconstruction and the encoder; their gradients are taken off.
    """
    with torch.no_grad():
        dictionary.b_mag.fill_(-1e9)
    losses = dictionary.double().losses(x.double(), dictionary.defaults, 0.0)
    losses.total.backward()
    assert float(losses.terms["sparsity"]) > 0
    assert float(dictionary.W_enc.grad.abs().max()) > 0
    assert int(torch.count_nonzero(dictionary.W_dec.grad)) == 0
    elsewhere = 2 * (dictionary.b_dec - x.double()).mean(0) - dictionary.W_enc @ dictionary.b_enc.grad
    torch.testing.assert_close(dictionary.b_dec.grad, elsewhere.detach(), atol=1e-12, rtol=0)


def paper_gradients(sae, x, sparsity):
    """By automatic differentiation of the formulas with stop-gradients."""
    sae.zero_grad()
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    magnitude = ((x - sae.b_dec) @ (sae.W_enc * sae.r_mag.exp()) + sae.b_mag).relu()
    decoded = ((pre > 0) * magnitude) @ sae.W_dec + sae.b_dec
    auxiliary = pre.relu() @ sae.W_dec.detach() + sae.b_dec.detach()
    loss = (x - decoded).square().sum(1) + sparsity * pre.relu().sum(1) + (x - auxiliary).square().sum(1)
    loss.mean().backward()
    return loss.mean(), {name: parameter.grad.clone() for name, parameter in sae.named_parameters()}


@pytest.mark.parametrize("threshold", [0.0, 4.0])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["float64", "float32"]
)
def test_the_whole_gradient_is_the_papers(dictionary, x, threshold, dtype, tolerance):
    """By the dense products, and by those at active entries alone that a high threshold leads to."""
    sae, x = dictionary.to(dtype), x.to(dtype)
    with torch.no_grad():
        sae.b_enc.sub_(threshold)
    losses = sae.losses(x, sae.defaults, 0.3)
    assert losses.codes.is_sparse == (threshold > 0)
    losses.total.backward()
    got = {name: parameter.grad.clone() for name, parameter in sae.named_parameters()}
    loss, expected = paper_gradients(sae, x, 0.3)
    torch.testing.assert_close(losses.total.detach(), loss.detach(), rtol=tolerance, atol=0)
    for name, gradient in expected.items():
        assert float(gradient.abs().max()) > 0
        scale = float(gradient.abs().max())
        torch.testing.assert_close(got[name], gradient, atol=tolerance * scale, rtol=tolerance, msg=name)


@pytest.mark.parametrize("threshold", [0.0, 4.0], ids=["dense", "sparse"])
def test_bfloat16_products_give_about_the_same_gradient(dictionary, x, threshold):
    with torch.no_grad():
        dictionary.b_enc.sub_(threshold)
    _, expected = paper_gradients(dictionary, x, 0.3)
    dictionary.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        losses = dictionary.losses(x, dictionary.defaults, 0.3)
    losses.total.backward()
    assert losses.codes.is_sparse == (threshold > 0)
    for name, parameter in dictionary.named_parameters():
        assert parameter.grad.dtype == torch.float32
        error = torch.linalg.vector_norm(parameter.grad - expected[name])
        assert float(error / torch.linalg.vector_norm(expected[name])) < 0.05, name
