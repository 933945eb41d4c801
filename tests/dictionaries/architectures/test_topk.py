"""TopK, BatchTopK and Matryoshka against loops that follow their papers' formulas."""

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES, auxk
from dictionaries.architectures.batch_topk import THRESHOLD_RATE, BatchTopKSAE
from dictionaries.architectures.matryoshka import MatryoshkaSAE, default_sizes, group_of
from dictionaries.architectures.topk import TopKSAE
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.model.sites import Site

WIDTH, FEATURES, K = 12, 32, 5


def make(kind):
    generator = torch.Generator().manual_seed(0)
    sae = kind(DictionaryConfig(site=Site(0), width=WIDTH, features=FEATURES), input_scale=1.7)
    with torch.no_grad():
        for parameter in sae.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    sae.k.fill_(K)
    return sae


@pytest.fixture
def x():
    return torch.randn(60, WIDTH, generator=torch.Generator().manual_seed(1))


def features_of(sae, x):
    return ((x - sae.b_dec) @ sae.W_enc + sae.b_enc).clamp(min=0)


def test_topk_keeps_the_largest_of_each_token(x):
    sae = make(TopKSAE)
    features = features_of(sae, 1.7 * x)
    expected = torch.zeros_like(features)
    for token, row in enumerate(features.tolist()):
        for j in sorted(range(FEATURES), key=lambda j: -row[j])[:K]:
            expected[token, j] = row[j]
    torch.testing.assert_close(sae.encode(x), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae(x), (expected @ sae.W_dec + sae.b_dec) / 1.7, atol=1e-5, rtol=1e-5)


def test_topk_with_more_than_all_features_is_relu(x):
    sae = make(TopKSAE)
    sae.k.fill_(10 * FEATURES)
    torch.testing.assert_close(sae.encode(x), features_of(sae, 1.7 * x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_batch_topk_keeps_the_largest_of_the_batch_and_a_threshold_afterwards(x):
    sae = make(BatchTopKSAE)
    features = features_of(sae, x)
    kept = sae.keep(features)
    assert int((kept > 0).sum()) == K * len(x)
    assert float(kept[kept > 0].min()) >= float(features[kept == 0].max())
    assert torch.equal(kept[kept > 0], features[kept > 0])
    torch.testing.assert_close(sae.encode(x), features_of(sae, 1.7 * x), atol=1e-5, rtol=1e-5)  # none yet
    sae.threshold.fill_(0.9)
    expected = features_of(sae, 1.7 * x)
    torch.testing.assert_close(sae.encode(x), expected * (expected > 0.9), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sae.encode(x)[:1], sae.encode(x[:1]), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_threshold_is_a_running_mean_of_the_smallest_kept_feature(x):
    sae = make(BatchTopKSAE)
    config = TrainingConfig(k=K)
    expected = None
    for piece in x.split(20):
        kept = sae.keep(features_of(sae, piece))
        least = float(kept[kept > 0].min())
        expected = least if expected is None else expected + THRESHOLD_RATE * (least - expected)
        sae.losses(piece, config, 0.0)
    assert float(sae.threshold) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_matryoshka_is_the_mean_over_prefixes(x):
    sae = make(MatryoshkaSAE)
    assert sae.group_sizes == default_sizes(FEATURES) == [1, 2, 4, 8, 17]
    losses = sae.losses(x, TrainingConfig(k=K), 0.0)
    bounds = (1, 3, 7, 15, 32)
    parts = [
        (x - losses.codes[:, :end] @ sae.W_dec[:end] - sae.b_dec).square().sum(1).mean() for end in bounds
    ]
    torch.testing.assert_close(losses.total, sum(parts) / 5)
    assert int((sae.first_groups(losses.codes, 2) > 0).any(0)[3:].sum()) == 0
    assert torch.equal(sae.first_groups(losses.codes, 5), losses.codes)


def test_small_dictionaries_have_fewer_groups():
    assert default_sizes(4) == [1, 3]
    assert default_sizes(1) == [1]
    assert group_of([1, 2]).tolist() == [0.0, 1.0, 1.0]


@torch.no_grad()
@pytest.mark.parametrize("name", ["topk", "batchtopk", "matryoshka"])
def test_the_auxiliary_loss_explains_the_error_by_silent_features(name, x):
    sae = make(ARCHITECTURES[name])
    silent = torch.zeros(FEATURES, dtype=torch.bool)
    silent[[2, 5, 7, 11, 13, 17, 19, 23, 29, 31]] = True
    features = features_of(sae, x)
    codes = sae.keep(features.masked_fill(silent, 0.0))
    error = (x - codes @ sae.W_dec - sae.b_dec).detach()
    got = auxk.auxiliary_loss(error, features, silent, sae.W_dec)
    explained = torch.zeros_like(error)
    for token in range(len(x)):
        largest = sorted(torch.where(silent)[0].tolist(), key=lambda j: -float(features[token, j]))
        for j in largest[: WIDTH // 2]:
            explained[token] += features[token, j] * sae.W_dec[j]
    torch.testing.assert_close(got, (error - explained).square().sum(1).mean(), atol=1e-4, rtol=1e-5)
    nobody = torch.zeros(FEATURES, dtype=torch.bool)
    assert float(auxk.auxiliary_loss(error, features, nobody, sae.W_dec)) == 0.0


def test_features_that_stay_silent_learn_from_the_error(x, monkeypatch):
    """A feature that is never among the largest gets a gradient only once it counts as dead."""
    monkeypatch.setattr(auxk, "SILENT_TOKENS", 100)
    sae = make(TopKSAE)
    with torch.no_grad():
        sae.W_enc[:, 0] *= 1e-3
        sae.b_enc[0] = 1e-3
    config = TrainingConfig(k=K)
    gradients = []
    for _ in range(2):
        sae.zero_grad()
        sae.losses(x, config, 0.0).total.backward()
        gradients.append(float(sae.W_dec.grad[0].abs().sum()))
    assert gradients[0] == 0.0
    assert gradients[1] > 0.0
