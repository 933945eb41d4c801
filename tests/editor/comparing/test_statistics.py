"""Means, intervals and tests against plain formulas and brute force."""

import itertools
import math
import random
import statistics

import numpy as np
import pytest
from made_arms import make_arms, make_attacks, make_fact, make_run, runs_of
from scipy import stats

from editor.comparing.statistics import (
    MOST_CHANGED,
    bootstrapped,
    holm,
    most_changed,
    overlaps,
    paired_tests,
    sign_flip_p,
    summarise,
)
from editor.results.comparison import POINTS, Editing
from editor.results.parts import Rate


def _brute_force_p(differences):
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(one >= observed - 1e-12 for one in sums) / len(sums)


@pytest.mark.parametrize("count", [1, 2, 5, 9, 12])
def test_few_facts_are_flipped_in_every_way(count):
    source = random.Random(count)
    differences = [source.choice([-0.25, 0, 0.25, 0.5, 1 / 3]) for _ in range(count)]
    assert sign_flip_p(differences) == pytest.approx(_brute_force_p(differences), abs=0)


def test_many_facts_are_flipped_at_random_and_p_is_near_the_exact_one():
    source = np.random.default_rng(3)
    differences = source.normal(0.3, 1, 14)
    exact = _brute_force_p(differences.tolist())
    found = sign_flip_p(differences, seed=1)
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 10_000))
    assert found == sign_flip_p(differences, seed=1)


def test_p_is_never_zero_and_no_difference_is_no_evidence():
    assert sign_flip_p([1.0] * 60) == pytest.approx(1 / 10_001)
    assert sign_flip_p([0.0] * 60) == sign_flip_p([0.0] * 6) == 1.0


def test_p_is_uniform_where_there_is_no_difference():
    source = np.random.default_rng(11)
    found = [sign_flip_p(source.normal(0, 1, 10)) for _ in range(400)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_bootstrap_interval_is_near_that_of_the_central_limit():
    values = np.random.default_rng(2).normal(5, 2, 400)
    found = bootstrapped(values)
    error = statistics.stdev(values) / 20
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)


def test_bootstrap_agrees_with_plain_resampling():
    source = np.random.default_rng(5)
    values = source.integers(0, 5, 25) / 4
    drawn = source.choice(values, (20_000, 25)).mean(axis=1)
    ours = bootstrapped(values)
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.02)
    assert bootstrapped([0.5]).low == bootstrapped([0.5]).high == 0.5


def test_p_is_scipy_s_where_all_flips_are_tried():
    differences = np.random.default_rng(8).integers(-2, 5, 8) / 4
    theirs = stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences) == pytest.approx(theirs.pvalue)


def test_a_summary_averages_seeds_before_facts():
    arms = [
        runs_of("a", [1.0, 0.0, 0.5], seed=0, bits=[1.0, 2.0, math.inf]),
        runs_of("a", [0.0, 0.0, 1.0], seed=1, bits=[3.0, 4.0, 5.0]),
    ]
    row = summarise(arms)[0]
    assert row.seeds == 2
    assert row.gen.mean == pytest.approx(statistics.mean([0.5, 0.0, 0.75]))
    assert (row.gen.low, row.gen.high) == (pytest.approx(0.0), pytest.approx(0.75))
    assert row.bits == 3.5
    assert {one.point for one in summarise(arms)} == set(POINTS)


def test_questions_are_drawn_within_their_seed():
    kept = ["1" * 90 + "0" * 10, "1" * 20]
    arms = [runs_of("a", [1.0], seed=seed, others_kept=one) for seed, one in enumerate(kept)]
    loc = summarise(arms)[0].loc
    error = math.sqrt(0.9 * 0.1 / 100) / 2  # the second seed's answers are all alike and add nothing
    assert loc.mean == pytest.approx(0.95)
    assert loc.low == pytest.approx(0.95 - 1.96 * error, abs=0.006)
    assert loc.high == pytest.approx(0.95 + 1.96 * error, abs=0.006)


def test_seeds_that_ask_the_same_questions_do_not_narrow_the_interval():
    kept = "1" * 90 + "0" * 10
    one = summarise([runs_of("a", [1.0], others_kept=kept)])[0].loc
    three = summarise([runs_of("a", [1.0], seed=seed, others_kept=kept) for seed in range(3)])[0].loc
    assert (three.mean, three.low, three.high) == pytest.approx((one.mean, one.low, one.high))
    error = math.sqrt(0.9 * 0.1 / 100)
    assert (three.low, three.high) == pytest.approx((0.9 - 1.96 * error, 0.9 + 1.96 * error), abs=0.011)


def test_the_interval_of_unlike_seeds_is_as_wide_as_theirs_on_average():
    kept = ["1" * 190 + "0" * 10, "1" * 80 + "0" * 20, "1" * 40 + "0" * 10]
    alone = [summarise([runs_of("a", [1.0], others_kept=one)])[0].loc for one in kept]
    runs = [runs_of("a", [1.0], seed=seed, others_kept=one) for seed, one in enumerate(kept)]
    together = summarise(runs)[0].loc
    mean_width = statistics.mean(one.high - one.low for one in alone)
    assert together.high - together.low == pytest.approx(mean_width, abs=0.006)


def test_what_has_no_single_questions_gives_the_least_and_the_most_of_the_seeds():
    rates = [Rate(hits=1, total=4), Rate(hits=2, total=4), Rate(hits=0, total=0)]
    arms = [
        runs_of(
            "a",
            [1.0],
            seed=seed,
            attacks=make_attacks(rate, rates[2]),
            perplexity_rise=seed / 100,
            forget_quality=p,
        )
        for seed, (rate, p) in enumerate(zip(rates, (0.25, None, 0.75), strict=True))
    ]
    row = summarise(arms)[0]
    four_bit = row.attacks["4-bit"]
    assert (four_bit.mean, four_bit.low, four_bit.high) == (0.375, 0.25, 0.5)
    assert row.attacks["relearning"] is None
    assert (row.perplexity_rise.low, row.perplexity_rise.high) == (0.0, 0.02)
    assert (row.forget_quality.mean, row.forget_quality.low, row.forget_quality.high) == (0.5, 0.25, 0.75)
    untested = summarise([runs_of("a", [1.0], forget_quality=None)])[0]
    assert untested.forget_quality is None
    assert "forget_quality" not in untested.model_dump()


def test_nothing_asked_is_nothing_measured():
    assert summarise([runs_of("a", [1.0], others_kept="")])[0].loc is None


def test_an_arm_may_lack_a_point():
    arms = [runs_of("a", [1.0, 0.5]), runs_of("b", [0.5, 0.5], points=("policy",))]
    assert [(row.point, row.arm) for row in summarise(arms)] == [
        ("policy", "a"),
        ("policy", "b"),
        ("norm", "a"),
        ("collateral", "a"),
        ("quarter", "a"),
    ]
    assert {test.point for test in paired_tests(arms, "a")} == {"policy"}


def _tests(arms, point="collateral"):
    return {(test.arm, test.measure): test for test in paired_tests(arms, "a") if test.point == point}


def test_a_planted_difference_is_found_and_none_where_there_is_none():
    source = random.Random(8)
    base = [source.choice([0.25, 0.5, 0.75]) for _ in range(30)]
    shuffled = base[15:] + base[:15]
    arms = [
        runs_of("a", base),
        runs_of("worse", [one - 0.25 for one in base], exposed=[True] * 20 + [False] * 10),
        runs_of("alike", shuffled),
    ]
    found = _tests(arms)
    assert found["worse", "gen"].difference.mean == pytest.approx(0.25)
    assert found["worse", "gen"].p_holm < 0.001
    assert found["worse", "exposed"].difference.mean == pytest.approx(-2 / 3)
    assert found["worse", "exposed"].difference.high < 0
    assert found["worse", "exposed"].p_holm < 0.001
    assert found["alike", "gen"].p_holm > 0.5
    assert found["worse", "bits"].p == 1.0


def test_seeds_are_no_further_evidence():
    """The same outcome three times is one outcome: p counts facts, not runs."""
    once = [runs_of("a", [1.0] * 6), runs_of("b", [0.0] * 6)]
    thrice = [run.model_copy(update={"seed": seed}) for run in once for seed in range(3)]
    assert _tests(once)["b", "gen"].p == _tests(thrice)["b", "gen"].p == 2 / 2**6


def test_tests_pair_facts_by_label_and_correct_for_arms():
    first = make_run("a", [make_fact("US_SSN 1", 1.0), make_fact("US_SSN 2", 0.0)])
    second = make_run(
        "b", [make_fact("US_SSN 2", 0.0), make_fact("US_SSN 3", 0.0), make_fact("US_SSN 1", 0.5)]
    )
    found = _tests([first, second])["b", "gen"]
    assert found.difference.mean == pytest.approx(0.25)
    others = [runs_of(f"b{index}", [0.0] * 8) for index in range(4)]
    corrected = _tests([runs_of("a", [1.0] * 8), *others])["b1", "gen"]
    assert corrected.p_holm == pytest.approx(4 * corrected.p)


def test_bits_without_limit_stay_numbers():
    arms = [
        runs_of("a", [1.0] * 3, bits=[math.inf] * 3),
        runs_of("b", [1.0] * 3, bits=[math.inf, 20.0, 20.0]),
    ]
    difference = _tests(arms)["b", "bits"].difference
    assert difference.mean == pytest.approx(2 * 108 / 3)
    assert math.isfinite(difference.high)


def test_most_changed_neurons_are_the_hundred_largest_that_changed():
    norms = np.random.default_rng(0).random((3, 400))
    norms[:, ::2] = 0
    editing = Editing(
        located={}, modules={}, neurons={f"mlp_hidden.{row}": tuple(one) for row, one in enumerate(norms)}
    )
    threshold = np.sort(norms.ravel())[-MOST_CHANGED]
    expected = {
        (f"mlp_hidden.{row}", column) for row, column in zip(*np.nonzero(norms >= threshold), strict=True)
    }
    assert most_changed(editing) == expected
    few = Editing(located={}, modules={}, neurons={"mlp_hidden.0": (0.0, 2.0, 0.0)})
    assert most_changed(few) == {("mlp_hidden.0", 1)}


def test_overlap_is_the_jaccard_index_averaged_over_seeds():
    arms = [
        runs_of("a", [1.0], neurons={"mlp_hidden.0": (1.0, 1.0, 0.0)}, seed=0),
        runs_of("a", [1.0], neurons={"mlp_hidden.0": (0.0, 1.0, 0.0)}, seed=1),
        runs_of("b", [1.0], neurons={"mlp_hidden.0": (0.0, 0.5, 0.5)}, seed=0),
        runs_of("b", [1.0], neurons={"mlp_hidden.0": (0.0, 9.0, 0.0)}, seed=1),
        runs_of("none", [1.0], neurons={"mlp_hidden.0": (0.0, 0.0, 0.0)}, seed=0),
    ]
    (found,) = overlaps(arms)
    assert (found.first, found.second) == ("a", "b")
    assert found.jaccard == pytest.approx((1 / 3 + 1) / 2)


def test_the_same_runs_give_the_same_numbers():
    arms = make_arms(seeds=2, facts=14)
    assert summarise(arms) == summarise(arms)
    assert paired_tests(arms, "feature-edit") == paired_tests(arms, "feature-edit")
    assert summarise(arms) != summarise(arms, seed=1)
