"""The verdict: names who leads, says when that may be chance, and claims no more."""

import pytest
from made_arms import make_arms, make_comparison, make_fact, runs_of

from editor.comparing.conclusion import comparison_verdict, p_text
from editor.comparing.statistics import overlaps, paired_tests, summarise
from editor.results.comparison import Comparison


def test_a_clear_winner_is_named_with_its_difference():
    found = comparison_verdict(
        [runs_of("best", [1.0] * 12), runs_of("next", [0.5] * 12), runs_of("last", [0.0] * 12)]
    )
    assert "(12 facts, 1 seed), best forgot most: 100% of unseen wordings, against 50% by next" in found
    assert "50.0 points" in found
    assert "is significant at 5% (p = 0.0015, Holm's correction for 3 pairs)" in found


def test_a_small_lead_is_not_called_significant():
    gens = [1.0, 1.0, 0.75, 0.5, 1.0, 0.25, 1.0, 0.5]
    found = comparison_verdict([runs_of("a", gens), runs_of("b", [*gens[:-1], 0.25])])
    assert found.startswith("At the same collateral (8 facts, 1 seed), a forgot most: 75%")
    assert "is not significant at 5% (p = 1," in found


def test_too_few_facts_are_never_significant():
    assert "not significant" in comparison_verdict([runs_of("a", [1.0] * 5), runs_of("b", [0.0] * 5)])


def test_a_tie_goes_on_to_exposed_facts():
    arms = [
        runs_of("a", [1.0] * 10, exposed=[True] + [False] * 9),
        runs_of("b", [1.0] * 10, exposed=[True] * 9 + [False]),
        runs_of("c", [0.5] * 10),
    ]
    found = comparison_verdict(arms)
    assert "a and b tie at 100% of unseen wordings; of these, a left the fewest facts exposed: 10%" in found
    assert "against 90% by b" in found
    assert "80.0 points" in found
    assert "p = 0.0078, Holm's correction for 1 pair)" in found


def test_a_tie_in_exposed_facts_goes_on_to_bits():
    arms = [runs_of("a", [1.0] * 8, bits=[30.0] * 8), runs_of("b", [1.0] * 8, bits=[35.5] * 8)]
    found = comparison_verdict(arms)
    assert "a and b tie at 100% of unseen wordings and at 0% of facts exposed; of these, b left" in found
    assert "hardest to guess: 35.5 bits on average, against 30.0 bits by a" in found
    assert "5.5 bits, 95% interval 5.5 to 5.5" in found


def test_part_of_a_tie_is_told_from_the_rest():
    arms = [
        runs_of("a", [1.0] * 8),
        runs_of("b", [1.0] * 8),
        runs_of("c", [1.0] * 8, exposed=[True] * 8),
    ]
    found = comparison_verdict(arms)
    assert (
        "a, b and c tie at 100% of unseen wordings; of these, a and b tie at 0% of facts exposed and" in found
    )
    assert found.endswith("20.0 bits a fact, so none of them is ahead.")


def test_random_controls_never_win_and_are_named():
    arms = [
        runs_of("method", [0.5] * 8),
        runs_of("weak", [0.0] * 8, family="random"),
        runs_of("strong", [1.0] * 8, family="random"),
    ]
    found = comparison_verdict(arms)
    assert "method forgot 50% of unseen wordings; there was no other method to compare it with" in found
    assert found.endswith("; strong, a random control, forgot 100%, no less than any method.")
    assert "no winner" in comparison_verdict(arms[1:])


def test_an_arm_without_the_point_takes_no_part():
    arms = [
        runs_of("a", [0.5] * 8),
        runs_of("b", [0.25] * 8),
        runs_of("absent", [1.0] * 8, points=("policy",)),
    ]
    assert "absent" not in comparison_verdict(arms)


def _seeds(arm, gen, collaterals, **options):
    return [
        runs_of(arm, [gen] * 8, seed=seed, collateral=one, **options) for seed, one in enumerate(collaterals)
    ]


def test_an_arm_that_cost_more_does_not_lead_and_the_verdict_says_why():
    arms = [*_seeds("a", 0.75, [0.004, 0.002]), *_seeds("b", 0.5, [0.004, 0.002])]
    dear = _seeds("dear", 1.0, [0.004, 0.0062])
    found = comparison_verdict([*arms, *dear], reference="a")
    assert "a forgot most: 75% of unseen wordings, against 50% by b" in found
    assert "left out, since no scale brought it down to that collateral: dear (3.1 times as much)." in found
    assert "1 pair)" in found
    random = [run.model_copy(update={"family": "random"}) for run in dear]
    assert "random control" not in comparison_verdict([*arms, *random], reference="a")


@pytest.mark.parametrize("collateral", [float("nan"), float("inf"), 1e6])
def test_a_model_that_broke_is_left_out(collateral):
    arms = [*_seeds("a", 0.75, [0.004]), *_seeds("broken", 1.0, [collateral])]
    assert "broken (beyond measure)" in comparison_verdict(arms, reference="a")


def test_an_arm_that_cost_less_takes_part_and_is_named():
    arms = [*_seeds("a", 0.75, [0.004, 0.002]), *_seeds("cheap", 1.0, [0.004, 0.0008])]
    found = comparison_verdict(arms, reference="a")
    assert "cheap forgot most" in found
    assert found.endswith("; short of that collateral stayed cheap at 0.40 of it.")
    assert "less than 0.01 of it" in comparison_verdict(
        [*arms, *_seeds("none", 0.0, [0.0, 0.002])], reference="a"
    )


def test_collateral_is_compared_in_the_same_seed_and_to_within_the_share_it_is_matched_to():
    arms = [*_seeds("a", 0.75, [0.004, 0.002]), *_seeds("b", 1.0, [0.00407, 0.00197])]
    found = comparison_verdict(arms, reference="a")
    assert "b forgot most" in found
    assert "that collateral" not in found
    swapped = [*_seeds("a", 0.75, [0.004, 0.002]), *_seeds("b", 1.0, [0.002, 0.004])]
    assert "b (2 times as much)" in comparison_verdict(swapped, reference="a")


def test_a_reference_that_cost_nothing_is_matched_by_what_costs_nothing():
    arms = [*_seeds("a", 0.5, [0.0]), *_seeds("b", 0.75, [0.0]), *_seeds("c", 1.0, [0.001])]
    found = comparison_verdict(arms, reference="a")
    assert "b forgot most" in found
    assert "c (beyond measure)" in found


def test_it_is_one_sentence_about_one_comparison():
    found = comparison_verdict(make_arms())
    assert found.endswith(".")
    assert ". " not in found
    assert found == comparison_verdict(make_arms())


@pytest.mark.parametrize(("p", "text"), [(1.0, "p = 1"), (0.0123, "p = 0.012"), (0.0001, "p < 0.001")])
def test_p_is_written_with_two_digits(p, text):
    assert p_text(p) == text


def test_a_comparison_is_put_together_and_read_back():
    arms = make_arms(seeds=2, facts=13)
    comparison = make_comparison(arms)
    assert comparison.seeds == (0, 1)
    assert comparison.summary == summarise(arms)
    assert comparison.tests == paired_tests(arms, "feature-edit")
    assert comparison.overlaps == overlaps(arms)
    assert comparison.verdict == comparison_verdict(arms, reference="feature-edit")
    assert Comparison.from_json(comparison.to_json()) == comparison


def test_what_the_original_does_not_complete_is_said():
    original = [make_fact("a", 0.25), make_fact("b", 0.25)]
    assert "the original model itself does not complete 25%" in comparison_verdict(make_arms(), original)
    assert "the original model itself completes none of them" in comparison_verdict(
        make_arms(), [make_fact("a", 1.0)]
    )
    assert "itself" not in comparison_verdict(make_arms(), [make_fact("a", 0.0)])
