"""What a trial's judge makes of a criterion that few cases were counted for."""

import pytest

from editor.results.parts import Rate
from editor.results.report import Criterion
from editor.tuning.judge import is_missed


def criterion(hits, total, threshold=0.99, measure="others_kept", kind="utility"):
    return Criterion(
        measure=measure,
        name="kept",
        kind=kind,
        comparison="at least" if kind == "utility" else "at most",
        threshold=threshold,
        measured=hits / total,
        counted=Rate(hits=hits, total=total),
        passed=hits / total >= threshold if kind == "utility" else hits / total <= threshold,
    )


@pytest.mark.parametrize(
    ("hits", "total", "missed"),
    [(82, 82, False), (81, 82, False), (80, 82, True), (1, 2, False), (297, 300, False), (296, 300, True)],
)
def test_one_case_is_not_enough_to_miss_a_limit_that_allows_none(hits, total, missed):
    assert is_missed(criterion(hits, total)) == missed


def test_a_leaking_fact_is_one_too_many():
    assert is_missed(criterion(1, 25, threshold=0.0, measure="greedy_rate", kind="leakage"))
