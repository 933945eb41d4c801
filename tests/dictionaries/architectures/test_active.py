"""Products at active entries against dense ones."""

import pytest
import torch

from dictionaries.architectures.active import (
    decode,
    decode_transposed,
    feature_sums,
    find_active,
    inner_products,
)

TOKENS, FEATURES, WIDTH = 37, 50, 11


@pytest.fixture(params=[torch.float32, torch.float64], ids=str)
def parts(request):
    """(codes, active, weight, rows): some tokens and some features have nothing on."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.rand(TOKENS, FEATURES, generator=generator) - 0.95
    codes[[0, 5, TOKENS - 1]] = -1.0
    codes[:, [0, 7, FEATURES - 1]] = -1.0
    codes = codes.relu().to(request.param)
    weight = torch.randn(FEATURES, WIDTH, generator=generator).to(request.param)
    rows = torch.randn(TOKENS, WIDTH, generator=generator).to(request.param)
    return codes, find_active(codes), weight, rows


def test_every_entry_is_found_in_both_orders(parts):
    codes, active, *_ = parts
    tokens, features = codes.nonzero(as_tuple=True)
    assert torch.equal(active.tokens, tokens)
    assert torch.equal(active.features, features)
    assert torch.equal(active.places, tokens * FEATURES + features)
    by_feature = codes.T.nonzero()
    assert torch.equal(active.features[active.by_feature], by_feature[:, 0])
    assert torch.equal(active.tokens[active.by_feature], by_feature[:, 1])


def test_products_equal_the_dense_ones(parts):
    codes, active, weight, rows = parts
    values = codes.view(-1)[active.places]
    torch.testing.assert_close(decode(active, values, weight), codes @ weight)
    torch.testing.assert_close(decode_transposed(active, values, rows), codes.T @ rows)
    inner = (rows @ weight.T).view(-1)[active.places]
    torch.testing.assert_close(inner_products(active, rows, weight), inner)
    torch.testing.assert_close(feature_sums(active, values), codes.sum(dim=0))


def test_nothing_on_and_too_much_on():
    nothing = find_active(torch.zeros(TOKENS, FEATURES))
    weight = torch.randn(FEATURES, WIDTH)
    assert torch.equal(decode(nothing, torch.zeros(0), weight), torch.zeros(TOKENS, WIDTH))
    assert torch.equal(
        decode_transposed(nothing, torch.zeros(0), torch.zeros(TOKENS, WIDTH)), torch.zeros(FEATURES, WIDTH)
    )
    assert find_active(torch.ones(TOKENS, FEATURES)) is None


def test_more_features_than_sixteen_bits_count():
    values = torch.zeros(3, 70_000)
    values[0, 69_999] = values[2, 5] = values[2, 66_000] = 1.0
    active = find_active(values)
    assert active.features[active.by_feature].tolist() == [5, 66_000, 69_999]
