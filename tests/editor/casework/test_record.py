"""Deadlines as the calendar has them, extensions, and states."""

from datetime import date, timedelta

import pytest

from editor.casework.record import CaseRecord, Closing, LinkedRun, months_after
from policies.errors import RequestError

RECEIVED = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        ((2026, 1, 31), 1, (2026, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2100, 1, 29), 1, (2100, 2, 28)),
        ((2026, 2, 28), 1, (2026, 3, 28)),
        ((2026, 8, 31), 1, (2026, 9, 30)),
        ((2026, 12, 31), 1, (2027, 1, 31)),
        ((2026, 11, 30), 3, (2027, 2, 28)),
        ((2026, 1, 31), 3, (2026, 4, 30)),
        ((2026, 10, 1), 3, (2027, 1, 1)),
    ],
)
def test_a_month_ends_on_the_same_day_or_on_the_months_last(day, months, later):
    assert months_after(date(*day), months) == date(*later)


def test_no_deadline_of_four_years_skips_or_repeats_a_month():
    for days in range(4 * 366):
        day = date(2026, 1, 1) + timedelta(days)
        later = months_after(day, 1)
        assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == 1
        assert later.day == day.day or (later.day < day.day and (later + timedelta(1)).day == 1)


def test_two_further_months_are_taken_once_with_a_reason_within_the_first():
    record = CaseRecord(received=RECEIVED)
    assert record.deadline == date(2026, 2, 28)
    for day in (RECEIVED, record.deadline):
        extended = record.extended(" many\nrequests ", day)
        assert (extended.deadline, extended.extension.reason) == (date(2026, 4, 30), "many requests")
    closed = record.model_copy(update={"closing": Closing(day=RECEIVED, erased=True)})
    for one, reason, day, cause in (
        (record, " ", RECEIVED, "no reason"),
        (record, "late", date(2026, 3, 1), "first month ended on 2026-02-28"),
        (extended, "more", RECEIVED, "extended already"),
        (closed, "more", RECEIVED, "was closed"),
    ):
        with pytest.raises(RequestError, match=cause):
            one.extended(reason, day)


def test_a_state_follows_from_the_runs_and_the_end():
    def state(*runs, closing=None):
        linked = [LinkedRun(folder="f", kind=kind, manifest="0" * 64, met=met) for kind, met in runs]
        return CaseRecord(received=RECEIVED, runs=linked, closing=closing).state

    assert state() == "open"
    assert state(("verify", False)) == "open"
    assert state(("erase", False)) == "erased"
    assert state(("erase", False), ("verify", True)) == "verified"
    assert state(("erase", True), ("verify", False)) == "verified"
    assert state(closing=Closing(day=RECEIVED, erased=False, reason="r")) == "closed"
