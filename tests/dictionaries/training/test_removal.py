import math
from dataclasses import replace

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.model.activations import Statistics
from dictionaries.model.sites import Site
from dictionaries.model.tokens import token_batches
from dictionaries.training.loop import train_dictionaries
from dictionaries.training.removal import BitMoments, remaining, remove_unpaid
from dictionaries.training.site_trainer import SiteTrainer
from policies.errors import DictionaryError

ROWS, WIDTH = 3000, 8


def random_bits(features, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rate = 0.2 + 0.6 * torch.rand(features, generator=generator)
    return (torch.rand(ROWS, features, generator=generator) < rate).float()


def directions(features, seed=1):
    return torch.randn(features, WIDTH, generator=torch.Generator().manual_seed(seed))


def moments_of(h, x):
    found = BitMoments(h.shape[1], x.shape[1], h.device)
    for piece, rows in zip(h.split(700), x.split(700), strict=True):
        found.add(piece, rows)
    return found


def loss(h, x, kept, price, covariance_weight):
    """MSE of the best decoder + α_e H + α_c C, each by its definition."""
    bits, x = h[:, kept].double(), x.double()
    design = torch.cat([bits, torch.ones(len(h), 1, dtype=torch.float64)], dim=1)
    error = x - design @ torch.linalg.lstsq(design, x).solution
    p = bits.mean(dim=0)
    entropy = -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum() / math.log(2)
    covariance = (bits - p).T @ (bits - p) / len(h)
    between = covariance.abs().sum() - covariance.diagonal().sum()
    return float(error.square().mean() + price * entropy + covariance_weight * between)


def test_it_removes_what_a_search_by_least_squares_removes():
    base = random_bits(6)
    h = torch.cat([base, (base[:, :1] * base[:, 1:2]), (1 - base[:, 2:3])], dim=1)
    flips = (torch.rand(ROWS, 8, generator=torch.Generator().manual_seed(8)) < 0.05).float()
    h = (h - flips).abs()
    x = h @ directions(8) + 0.3 * torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(2))
    price, covariance_weight = 0.2, 0.05
    kept = list(range(8))
    while True:
        before = loss(h, x, kept, price, covariance_weight)
        without = {j: loss(h, x, [i for i in kept if i != j], price, covariance_weight) for j in kept}
        worst = min(without, key=without.get)
        if without[worst] >= before:
            break
        kept.remove(worst)
    assert 0 < len(kept) < 8
    found = remaining(moments_of(h, x), price, covariance_weight)
    assert found.kept.nonzero().flatten().tolist() == kept
    mse = (x - h @ found.W_dec.float() - found.b_dec.float()).square().mean()
    assert float(mse) == pytest.approx(loss(h, x, kept, 0.0, 0.0), rel=1e-4)


def test_copies_and_complements_go_and_nothing_is_lost():
    base = random_bits(4)
    constant = torch.zeros(ROWS, 1)
    h = torch.cat([base, base, 1 - base, constant, 1 - constant], dim=1)
    x = h @ directions(14)
    found = remaining(moments_of(h, x), 0.01, 0.0)
    kept = found.kept.nonzero().flatten().tolist()
    assert sorted(place % 4 for place in kept) == [0, 1, 2, 3]
    assert max(kept) < 12
    torch.testing.assert_close(h @ found.W_dec.float() + found.b_dec.float(), x, atol=1e-3, rtol=1e-3)
    assert not bool(found.W_dec[~found.kept].any())


def test_at_no_price_all_bits_stay_and_at_a_high_one_none():
    h = random_bits(5)
    x = h @ directions(5)
    assert bool(remaining(moments_of(h, x), 0.0, 0.0).kept.all())
    found = remaining(moments_of(h, x), 1e3, 0.0)
    assert not bool(found.kept.any())
    torch.testing.assert_close(found.b_dec.float(), x.mean(dim=0), atol=1e-5, rtol=1e-5)
    dead = remaining(moments_of(torch.zeros(ROWS, 5), x), 0.1, 0.0)
    assert not bool(dead.kept.any())


def make_trainer(x, architecture="binary", **settings):
    kind = ARCHITECTURES[architecture]
    config = replace(kind.defaults, **{"features": 48, "batch_size": 500, "seed": 0, **settings})
    return SiteTrainer(
        kind,
        Site(0),
        statistics=Statistics(x.mean(0), float(x.square().sum(1).mean()), float(x.var(0).sum())),
        config=config,
        width=x.shape[1],
        model_name="",
        generator=torch.Generator().manual_seed(0),
    )


def test_a_removed_bit_stays_off_while_training_goes_on():
    x = random_bits(3) @ directions(3)
    trainer = make_trainer(x, sparsity=0.05, removal_every=60, sparsity_warmup_steps=60, steps=120)
    for step in range(60):
        trainer.step(x[step % 6 * 500 :][:500], step)
    trainer.remove(x.split(700))
    codes = trainer.dictionary.encode_scaled((x - trainer.shift) * trainer.scale).detach()
    off = codes.amax(dim=0) == 0
    assert 40 <= int(off.sum()) < 48
    for step in range(60, 120):
        trainer.step(x[step % 6 * 500 :][:500], step)
    codes = trainer.dictionary.encode_scaled((x - trainer.shift) * trainer.scale).detach()
    assert not bool(codes[:, off].any())
    assert not bool(trainer.dictionary.W_dec[off].any())


def test_removed_bits_are_off_for_any_input():
    made = ARCHITECTURES["binary"](DictionaryConfig(site=Site(0), width=WIDTH, features=6))
    made.initialise(torch.Generator().manual_seed(0), torch.zeros(WIDTH))
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(3))
    off = remove_unpaid(made, moments_of(made.encode_scaled(x).detach(), x), 1.0, 0.0)
    assert bool(off.any())
    assert not bool(made.encode_scaled(1e4 * x)[:, off].any())


def test_training_removes_from_the_end_of_the_warm_up_on(speaker, texts, tokenizer, monkeypatch):
    done = []
    remove = SiteTrainer.remove
    monkeypatch.setattr(
        SiteTrainer, "remove", lambda self, rows: (done.append(len(self.history)), remove(self, rows))
    )
    settings = {"features": 32, "steps": 250, "batch_size": 64, "sparsity": 0.05}
    settings |= {"removal_every": 50, "sparsity_warmup_steps": 120}
    config = replace(ARCHITECTURES["binary"].defaults, **settings)
    batches = list(token_batches(texts, tokenizer))
    result = train_dictionaries(speaker, batches, [Site(1)], "binary", config)
    assert done == [3, 4, 5]
    assert result.reports[Site(1)].dead_share > 0.3
    settings["removal_every"] = 0
    config = replace(ARCHITECTURES["binary"].defaults, **settings)
    without = train_dictionaries(speaker, batches, [Site(1)], "binary", config)
    assert without.reports[Site(1)].dead_share < result.reports[Site(1)].dead_share


def test_only_bits_can_be_removed():
    x = random_bits(3) @ directions(3)
    with pytest.raises(DictionaryError, match="gated dictionary has no bits"):
        make_trainer(x, "gated", removal_every=10)
    with pytest.raises(DictionaryError, match="removal_every"):
        replace(ARCHITECTURES["binary"].defaults, removal_every=-1)
