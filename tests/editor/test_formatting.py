"""Rounding that never turns 'almost' into 'none' or 'all'."""

import math

import pytest

from editor.formatting import arrow, bits, count, interval, number, odds, percent, plural, share_of
from editor.results.report import Rate


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.99999, ">99.9%"),
        (0.9994, "99.9%"),
        (0.00001, "<0.1%"),
        (0.996, "99.6%"),
        (0.5, "50%"),
        (0.2, "20%"),
        (1.004, "100.4%"),
        (math.nan, "not finite"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(
    ("share", "limit", "text"),
    [
        (0.9896, 0.99, "98.96%"),
        (0.98999, 0.99, "98.999%"),
        (0.962, 0.99, "96.2%"),
        (0.99, 0.99, "99%"),
        (0.99961, 0.9999, "99.96%"),
        (math.nan, 0.01, "not finite"),
    ],
)
def test_percent_apart_from_a_limit(share, limit, text):
    assert percent(share, apart_from=limit) == text


def test_share_of_nothing_is_neither_none_nor_all():
    assert share_of(Rate(hits=0, total=0)) == "–"
    assert share_of(Rate(hits=998, total=1000)) == "99.8%"


def test_signed_percent():
    assert percent(0.0031, signed=True) == "+0.31%"
    assert percent(-0.0031, signed=True) == "−0.31%"
    assert percent(0.0, signed=True) == "0%"


@pytest.mark.parametrize(
    ("hits", "total", "text"),
    [
        (0, 25, "at most 13.7%"),
        (25, 25, "at least 86.3%"),
        (1, 25, "0.1% to 20.4%"),
        (0, 0, "nothing was tested"),
    ],
)
def test_interval(hits, total, text):
    assert interval(Rate(hits=hits, total=total)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "every try"),
        (1.0, "1 in 2.0 tries"),
        (5.0, "1 in 32 tries"),
        (20.0, "1 in 1 million tries"),
        (31.0, "1 in 2 billion tries"),
        (80.0, "fewer than 1 in 1,000 trillion tries"),
        (math.inf, "fewer than 1 in 1,000 trillion tries"),
    ],
)
def test_odds(value, text):
    assert odds(value) == text


def test_other_numbers():
    assert [bits(value) for value in (0.04, 31.44, 128.3, math.inf, None)] == ["0.0", "31.4", "128", "∞", ""]
    assert [number(value) for value in (3, 2_024_832, 4.0, 0.00190, 1e-7, -2.5, "gated")] == [
        "3",
        "2,024,832",
        "4",
        "0.0019",
        "1e−7",
        "−2.5",
        "gated",
    ]
    assert count(Rate(hits=3, total=1000)) == "3 of 1,000"
    assert [plural(1, "fact"), plural(2, "fact")] == ["1 fact", "2 facts"]
    assert [arrow("1", "0"), arrow("1", None)] == ["1 → 0", "1"]
