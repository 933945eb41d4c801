"""Means over seeds with intervals."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over seeds and its 95% interval by Student's t.

    Attributes:
        mean: mean over seeds.
        low: lower end; NaN where there is one seed alone.
        high: upper end; NaN where there is one seed alone.
    """

    mean: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate:
    """Return mean and t interval of independent values; NaN where any of them is."""
    from scipy.stats import t

    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean, math.nan, math.nan)
    # t · s / √n, with n - 1 degrees of freedom.
    half = float(
        t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    )
    return Estimate(mean, mean - half, mean + half)


def shown(one: Estimate, digits: int = 2) -> str:
    """Return `mean (low to high)`; the mean alone where there is no interval, and a dash where there is no mean."""
    if math.isnan(one.mean):
        return "-"
    if math.isnan(one.low):
        return f"{one.mean:.{digits}f}"
    return f"{one.mean:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"
