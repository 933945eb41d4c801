"""Forget quality by hand-computed cases: truth ratios, the test, percentiles and what chance puts outside a spread."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from made_scores import make_scored, question

from editor.measuring.forgetting import (
    HALF,
    compare_distributions,
    forget_quality,
    judge_ratios,
    level_of,
    log_truth_ratios,
    most_outside,
    spread_rank,
    truth_ratios,
)
from editor.questions.probes import Probe, Target
from editor.results.forgetting import ForgetQuality, ForgottenFact
from policies import LeakageCeilings, load_policy

POLICY = load_policy("gdpr")
INF = math.inf


def ks(first, second):
    return compare_distributions(first, second, 0.05)


@pytest.mark.parametrize(
    ("first", "second", "statistic", "p"),
    [
        ([1, 2, 3], [4, 5, 6], 1.0, 2 / math.comb(6, 3)),
        ([1, 2, 3, 4], [5, 6, 7, 8], 1.0, 2 / math.comb(8, 4)),
        ([1, 2], [4, 5, 6], 1.0, 2 / math.comb(5, 2)),
        # P(D >= h/n) = 2 Σ (-1)^(k-1) C(2n, n - k h) / C(2n, n) for equal sizes; here one term
        ([1, 2, 3, 5], [4, 6, 7, 8], 0.75, 2 * math.comb(8, 1) / math.comb(8, 4)),
        ([1, 4, 5, 8], [2, 3, 6, 7], 0.25, 1.0),
        ([0], [1, 2, 3, 4, 5, 6, 7, 8, 9], 1.0, 2 / 10),
        ([5.5], [1, 2, 3, 4, 5, 6, 7, 8, 9], 5 / 9, 1.0),
        ([2, 2, 2], [2, 2, 2], 0.0, 1.0),
        ([1, 1, 2, 2], [1, 2, 2, 2], 0.25, 1.0),
        ([-INF, -INF, -INF], [0.0, 1.0, INF], 1.0, 0.1),
        ([INF, 0.0, -INF], [INF, 0.0, -INF], 0.0, 1.0),
    ],
)
def test_the_test_is_as_by_hand_whichever_way_round(first, second, statistic, p):
    for found in (ks(first, second), ks(second, first), ks([-x for x in first], [-x for x in second])):
        assert (found.statistic, found.p) == (pytest.approx(statistic), pytest.approx(p))


def test_every_small_shift_has_a_p_and_a_larger_one_a_smaller_p():
    for size in (1, 2, 3, 5, 6, 13, 25):
        found = [ks(range(size), [x + shift for x in range(size)]).p for shift in range(size + 1)]
        assert found == sorted(found, reverse=True)
        assert 0 <= found[-1] <= found[0] == 1.0


@pytest.mark.parametrize(("first", "second"), [([], [1.0]), ([1.0], []), ([], [])])
def test_of_nothing_there_is_no_test(first, second):
    found = ks(first, second)
    assert found == (None, None, None)
    assert not found.is_telling


@pytest.mark.parametrize(("facts", "never_seen"), [(15, 15), (25, 25), (25, 200), (60, 40)])
def test_the_smallest_difference_is_where_p_reaches_the_level(facts, never_seen):
    smallest = ks(range(facts), range(never_seen)).smallest_difference
    assert smallest == pytest.approx(
        math.sqrt(math.log(2 / 0.05) / 2 * (facts + never_seen) / (facts * never_seen))
    )
    if facts == never_seen:  # a shift by k of n is a difference of k / n
        shift = math.ceil(smallest * facts)
        assert ks(range(facts), [x + shift for x in range(facts)]).p < 0.05
        assert ks(range(facts), [x + shift - 1 for x in range(facts)]).p > 0.05


def test_few_facts_tell_nothing():
    assert next(n for n in range(1, 40) if ks(range(n), range(n)).is_telling) == 15
    assert not ks([0.0], range(400)).is_telling  # one fact, however many decoys
    assert ks(range(9), range(72)).smallest_difference < HALF < ks(range(8), range(64)).smallest_difference


def test_truth_ratios_are_as_by_hand():
    p = np.array([[0.1, 0.5], [0.2, 0.2], [0.4, 0.3]])  # a fact and two decoys after two prompts
    fact = (math.log(0.3 / 0.1) + math.log(0.25 / 0.5)) / 2
    first = (math.log(0.25 / 0.2) + math.log(0.4 / 0.2)) / 2
    second = (math.log(0.15 / 0.4) + math.log(0.35 / 0.3)) / 2
    assert log_truth_ratios(np.log(p)) == pytest.approx([fact, first, second])


@pytest.mark.parametrize(
    ("log_p", "ratio"),
    [
        ([[-INF], [-1.0], [-1.0]], INF),  # impossible where decoys are not
        ([[-1.0], [-INF], [-INF]], -INF),
        ([[-INF], [-INF], [-INF]], 0.0),
        ([[-1.0, -INF], [-1.0, -2.0]], INF),
        ([[-1.0, -INF], [-INF, -1.0]], math.nan),
        ([[math.nan], [-1.0], [-1.0]], math.nan),
        ([[-1.0], [math.nan], [-1.0]], math.nan),
        ([[-3.0], [-3.0], [-3.0]], 0.0),
    ],
)
def test_likelihoods_without_bounds(log_p, ratio):
    assert log_truth_ratios(np.array(log_p))[0] == pytest.approx(ratio, nan_ok=True)


def asked(group, answer, prompt, log_p, tokens=1, wording="template", subject="Ada", relation="PHONE_NUMBER"):
    target = Target(subject=subject, relation=relation, answer=answer, personal=True, group=group)
    return Probe(target=target, prompt=prompt, wording=wording, split="verification"), log_p, tokens


def scored(*rows):
    made = make_scored([question("erased", number) for number in range(len(rows))])
    scores = replace(
        made.scores,
        log_probability=np.array([float(row[1]) for row in rows]),
        tokens=np.array([row[2] for row in rows]),
    )
    return replace(made, probes=tuple(row[0] for row in rows), scores=scores)


def test_a_fact_is_compared_with_its_own_decoys_by_the_mean_of_its_tokens():
    rows = [
        asked("erased", "a", "Call Ada at", -6.0, tokens=3),
        asked("erased", "a", "At", -0.1, wording="unnamed"),
        asked("erased", "a", "Her number?", 0.0, wording="free"),
        asked("decoys", "x", "Call Ada at", -4.0, tokens=2),
        asked("erased", "b", "Ring Ada at", -1.0),
        asked("decoys", "y", "Ring Ada at", -3.0),
        asked("erased", "c", "Write to Ada", -1.0, relation="EMAIL_ADDRESS"),
        asked("others", "d", "Call Ada at", -1.0),
    ]
    ratios = truth_ratios(scored(*rows))
    assert {target.answer: value for target, value in ratios.scored.items()} == {"a": 0.0, "b": -2.0}
    assert ratios.never_seen == (0.0, 2.0)
    assert (ratios.unscored, ratios.against) == (0, "decoys")


def test_a_decoy_that_two_facts_share_is_one_of_each():
    rows = [asked("erased", answer, "Call Ada at", log_p) for answer, log_p in (("a", -1.0), ("b", -2.0))]
    ratios = truth_ratios(scored(*rows, asked("decoys", "x", "Call Ada at", -3.0)))
    assert sorted(ratios.scored.values()) == [-2.0, -1.0]
    assert ratios.never_seen == (1.0, 2.0)


def test_with_a_reference_the_same_facts_are_compared():
    def model(fact, decoy):
        return scored(
            *(
                asked("erased", name, "Call at", fact - number, subject=name)
                for number, name in enumerate("ABC")
            ),
            *(asked("decoys", "x", "Call at", decoy, subject=name) for name in "ABC"),
        )

    ratios = truth_ratios(model(-9.0, -4.0), model(-4.5, -4.0))
    assert sorted(ratios.scored.values()) == [5.0, 6.0, 7.0]
    assert ratios.never_seen == (0.5, 1.5, 2.5)
    assert ratios.against == "reference"
    broken = truth_ratios(model(math.nan, -4.0), model(math.nan, -4.0))
    assert (dict(broken.scored), broken.unscored, broken.never_seen) == ({}, 3, ())


def found(facts, never_seen, unscored=0, **leakage):
    policy = POLICY.model_copy(update={"leakage": LeakageCeilings(**leakage)})
    given = ForgetQuality(
        against="decoys",
        facts=tuple(ForgottenFact(fact=f"f {n:03}", log_truth_ratio=x) for n, x in enumerate(facts)),
        never_seen=tuple(sorted(never_seen)),
        unscored=unscored,
    )
    return judge_ratios(given, policy)


def test_percentiles_and_both_ends_of_the_spread():
    never_seen = list(range(1, 20))  # the 5th percentile on either side leaves out the first and the last
    told = found([0.0, 1.0, 10.0, 19.0, 19.5, INF, -INF], never_seen)
    assert told.spread == (1, 19)
    assert [row.percentile for row in told.facts] == pytest.approx(
        [0, 100 * 0.5 / 19, 50, 100 * 18.5 / 19, 100, 100, 0]
    )
    assert (told.more_likely.hits, told.less_likely.hits, told.outside) == (2, 2, 4)
    assert told.more_likely.total == told.less_likely.total == 7


def test_equal_scores_are_inside():
    told = found([2.0] * 25, [2.0] * 25)
    assert (told.statistic, told.p, told.tested) == (0.0, 1.0, True)
    assert {row.percentile for row in told.facts} == {50.0}
    assert told.outside == 0


@pytest.mark.parametrize("side", [-1, 1])
def test_a_few_facts_that_were_pushed_too_far_are_counted_where_the_test_finds_nothing(side):
    never_seen = [math.sin(number) for number in range(200)]
    facts = [math.sin(1000 + number) for number in range(21)] + [side * 40.0] * 4
    told = found(facts, never_seen)
    assert told.p > 0.05
    assert (told.less_likely if side > 0 else told.more_likely).hits >= 4


@pytest.mark.parametrize(
    ("facts", "never_seen", "unscored"),
    [(0, 0, 0), (0, 9, 0), (9, 0, 0), (1, 200, 0), (5, 5, 0), (25, 25, 1)],
)
def test_what_tells_nothing_is_not_tested(facts, never_seen, unscored):
    told = found(range(facts), range(never_seen), unscored)
    assert not told.tested
    assert (told.statistic is None) == (not facts or not never_seen)
    assert told.more_likely.total == (facts if never_seen > 1 else 0)


def test_the_policys_level_decides_what_could_have_shown():
    assert found(range(25), range(25)).level == 0.05
    assert found(range(15), range(15)).tested
    assert not found(range(15), range(15), forget_quality=0.01).tested
    assert level_of(POLICY) == 0.05


@pytest.mark.parametrize(("facts", "never_seen", "rank"), [(3, 5, 1), (4, 4, 1), (3, 6, 2), (1, 2, 1)])
def test_what_chance_puts_outside_is_counted_out(facts, never_seen, rank):
    places = range(facts + never_seen)
    counts = Counter()
    for mine in itertools.combinations(places, facts):  # all orders are as likely
        others = [place for place in places if place not in mine]
        low, high = others[rank - 1], others[-rank]
        counts[sum(place < low or place > high for place in mine)] += 1
    total, most = sum(counts.values()), 0
    while sum(counts[number] for number in range(most + 1)) < 0.95 * total:
        most += 1
    assert most_outside(facts, never_seen, rank) == most


def test_the_spread_leaves_out_one_at_least_and_never_all():
    assert [spread_rank(m, 5.0) for m in (0, 1, 2, 19, 39, 199)] == [0, 0, 1, 1, 2, 10]
    assert spread_rank(10, 0.0) == 1
    assert spread_rank(10, 100.0) == 5
    assert most_outside(0, 10, 1) == most_outside(10, 1, 0) == 0


def test_models_that_never_saw_the_facts_seldom_fail():
    source = np.random.default_rng(0)
    low_p, outside = 0, 0
    for _ in range(40):
        answers = source.normal(-3, 1, (25, 9, 1))  # a fact and eight decoys, which differ by chance alone
        ratios = np.stack([log_truth_ratios(one) for one in answers])
        told = found(ratios[:, 0], ratios[:, 1:].ravel())
        low_p += told.p < 0.05
        outside += told.outside > told.by_chance
    assert low_p <= 4
    assert outside <= 4


def test_a_report_holds_all_that_its_figures_follow_from():
    class Key:
        def label(self, target):
            return f"PHONE_NUMBER {target.subject}"

    rows = []
    for number in range(20):
        rows.append(asked("erased", "s", "Call at", -1.0 - number, subject=f"{number:02}"))
        rows.append(asked("decoys", "x", "Call at", -INF if number == 3 else -5.5, subject=f"{number:02}"))
    told = forget_quality(truth_ratios(scored(*rows)), POLICY, Key().label)
    assert told.tested
    assert told.facts[3].log_truth_ratio == -INF
    again = ForgetQuality.model_validate(told.model_dump(exclude_computed_fields=True))
    assert judge_ratios(again, POLICY) == told
    changed = again.model_copy(update={"never_seen": tuple(x + 1 for x in again.never_seen)})
    assert judge_ratios(changed, POLICY) != changed
