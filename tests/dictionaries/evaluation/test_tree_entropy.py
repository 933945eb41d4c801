import math

import pytest
import torch

from dictionaries.evaluation import tree_entropy
from dictionaries.evaluation.tree_entropy import PairCounts, pair_information

ROWS = 4000


def independent(features, seed, rows=ROWS):
    generator = torch.Generator().manual_seed(seed)
    rate = 0.02 + 0.96 * torch.rand(features, generator=generator)
    return (torch.rand(rows, features, generator=generator) < rate).float()


def bits_of(*codes):
    counts = PairCounts(codes[0].shape[1], codes[0].device)
    for one in codes:
        counts.add(one)
    return counts.tree_bits()


def sum_of_marginals(codes):
    p = codes.double().mean(dim=0)
    return float(-(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum()) / math.log(2)


def joint_entropy(codes):
    _, counts = codes.unique(dim=0, return_counts=True)
    p = counts.double() / len(codes)
    return float(-(p * p.log2()).sum())


def test_independent_bits_have_no_edge_and_the_two_estimates_are_one():
    """The maximum of so many pairs would otherwise find edges in every sample."""
    same = 0
    for seed in range(20):
        codes = independent(60, seed)
        gap = sum_of_marginals(codes) - bits_of(codes)
        assert -1e-9 < gap < 0.01
        same += gap < 1e-9
    assert same >= 18


def test_copies_complements_and_constant_bits_cost_nothing():
    codes = independent(5, 0)
    constant = torch.zeros(len(codes), 1)
    more = torch.cat([codes, codes, 1 - codes[:, :3], constant, 1 - constant], dim=1)
    assert sum_of_marginals(more) > 1.5 * sum_of_marginals(codes)
    assert bits_of(more) == pytest.approx(sum_of_marginals(codes), abs=0.01)


def test_a_chain_is_exact_and_so_is_a_paired_source():
    """Each bit is the one before, flipped in one of ten rows: H = 1 + 7 h(0.1)."""
    generator = torch.Generator().manual_seed(1)
    chain = [(torch.rand(50_000, generator=generator) < 0.5).float()]
    for _ in range(7):
        flips = (torch.rand(50_000, generator=generator) < 0.1).float()
        chain.append((chain[-1] - flips).abs())
    h = -0.1 * math.log2(0.1) - 0.9 * math.log2(0.9)
    assert bits_of(torch.stack(chain, dim=1)) == pytest.approx(1 + 7 * h, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_it_lies_between_the_joint_entropy_and_the_sum(seed):
    """Thresholds of few random mixtures: bits that no tree describes."""
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(200_000, 3, generator=generator)
    codes = (hidden @ torch.randn(3, 8, generator=generator) > 0.3).float()
    bound = bits_of(codes)
    assert joint_entropy(codes) < bound < sum_of_marginals(codes)


def test_information_against_a_plain_loop():
    codes = torch.cat([independent(4, 3), independent(4, 3)[:, 1:3]], dim=1)
    counts = PairCounts(6, codes.device)
    counts.add(codes)
    got = pair_information(counts.together, counts.tokens, 2, 6)
    for i in range(2, 6):
        for j in range(6):
            expected = 0.0
            for a in (0, 1):
                for b in (0, 1):
                    both = float(((codes[:, i] == a) & (codes[:, j] == b)).double().mean())
                    apart = float((codes[:, i] == a).double().mean() * (codes[:, j] == b).double().mean())
                    expected += both * math.log2(both / apart) if both else 0.0
            assert float(got[i - 2, j]) == pytest.approx(expected, abs=1e-9)


def test_batches_and_blocks_change_nothing(monkeypatch):
    codes = torch.cat([independent(9, 5), independent(9, 5)[:, :6]], dim=1)
    whole = bits_of(codes)
    assert bits_of(*codes.split(333)) == whole
    for block in (1, 4, 15):
        monkeypatch.setattr(tree_entropy, "BLOCK", block)
        assert bits_of(codes) == pytest.approx(whole, abs=1e-9)


def test_no_tokens_and_a_single_bit():
    assert PairCounts(3, torch.device("cpu")).tree_bits() == 0.0
    one = independent(1, 0)
    assert bits_of(one) == pytest.approx(sum_of_marginals(one))
