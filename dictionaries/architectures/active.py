"""Products with codes that are nearly all zeros, by gathering rows where a code is on.

A trained sparse dictionary has one to three codes in a hundred on. A dense product spends its time on the
others. Here a product visits the entries that are on, in one of two orders: by token for products that end in
rows of tokens, by feature for those that end in rows of features. torch's `embedding_bag` is both: a bag is a
token and its items are features, or the other way round. Two threads never write to one row, so results do
not depend on timing.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

LARGEST_SHARE = 0.1
"""Share of entries on from which dense products are used. As quick: 0.15 at d = 192, F = 1,024; 0.08 at 768, 4,096."""


class Active(NamedTuple):
    """The n entries of a (tokens, F) matrix that are on, in the order of memory.

    Attributes:
        places: (n) index of each entry into the flattened matrix.
        tokens: (n) row of each entry.
        features: (n) column of each entry.
        token_starts: (tokens + 1) place where each token's entries start.
        by_feature: (n) order of the entries when sorted by feature, then token.
        feature_starts: (F + 1) place where each feature's entries start in that order.
    """

    places: Int[Tensor, "n"]
    tokens: Int[Tensor, "n"]
    features: Int[Tensor, "n"]
    token_starts: Int[Tensor, "tokens+1"]
    by_feature: Int[Tensor, "n"]
    feature_starts: Int[Tensor, "F+1"]


def find_active(values: Float[Tensor, "tokens F"], largest_share: float = LARGEST_SHARE) -> Active | None:
    """Find where values are above 0; None where so many are that dense products are quicker, and off the CPU."""
    if values.device.type != "cpu":
        return None
    # numpy compares and searches in a fraction of torch's time, but does not know bfloat16.
    mask = (values > 0).numpy() if values.dtype == torch.bfloat16 else values.numpy() > 0
    if np.count_nonzero(mask) > largest_share * mask.size:
        return None
    count, width = mask.shape
    places = np.flatnonzero(mask)
    token_starts = np.searchsorted(places, np.arange(0, mask.size + 1, width))
    tokens = np.repeat(np.arange(count), np.diff(token_starts))
    features = places - tokens * width
    # A stable sort of 16-bit keys is a radix sort.
    keys = features.astype(np.uint16) if width <= 1 << 16 else features
    by_feature = np.argsort(keys, kind="stable")
    feature_starts = np.concatenate([[0], np.bincount(features, minlength=width).cumsum()])
    arrays = (places, tokens, features, token_starts, by_feature, feature_starts)
    return Active(*(torch.from_numpy(array) for array in arrays))


def decode(
    active: Active, values: Float[Tensor, "n"], weight: Float[Tensor, "F d"]
) -> Float[Tensor, "tokens d"]:
    """Return C weight, where the (tokens, F) matrix C holds `values` at the active entries and 0 elsewhere."""
    return _sum_rows(weight, active.features, active.token_starts, values)


def decode_transposed(
    active: Active, values: Float[Tensor, "n"], rows: Float[Tensor, "tokens d"]
) -> Float[Tensor, "F d"]:
    """Return Cᵀ rows: for each feature the sum of the rows of tokens where it is on, weighted by `values`."""
    order = active.by_feature
    tokens, weights = active.tokens.index_select(0, order), values.index_select(0, order)
    return _sum_rows(rows, tokens, active.feature_starts, weights)


def inner_products(
    active: Active, rows: Float[Tensor, "tokens d"], weight: Float[Tensor, "F d"]
) -> Float[Tensor, "n"]:
    """Return ⟨rows[token], weight[feature]⟩ at the active entries: rows weightᵀ, where it is wanted."""
    products: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        rows, weight, active.features, active.token_starts, active.tokens, 0
    )
    return products


def feature_sums(active: Active, values: Float[Tensor, "n"]) -> Float[Tensor, "F"]:
    """Return the sums of `values` over tokens, by feature."""
    return values.new_zeros(len(active.feature_starts) - 1).index_add_(0, active.features, values)


def where_positive(mask: Float[Tensor, "*shape"], values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Return `values` where `mask` > 0, and 0 elsewhere, by the one vectorised kernel for it.

    On a CPU a product with a boolean, `where` and `masked_fill` take 3 to 10 times as long. Differentiable in
    `values`.
    """
    masked: Tensor = torch.ops.aten.threshold_backward(values, mask.to(values.dtype), 0.0)
    return masked


def _sum_rows(table: Tensor, indices: Tensor, starts: Tensor, weights: Tensor) -> Tensor:
    summed: Tensor = torch.embedding_bag(
        table, indices, starts, mode=0, per_sample_weights=weights, include_last_offset=True
    )[0]
    return summed
