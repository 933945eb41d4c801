from itertools import permutations

from detectors import Span
from detectors.presidio.overlaps import resolve_overlaps


def span(entity_type, start, end, score=0.5):
    return Span(start=start, end=end, entity_type=entity_type, score=score)


def kept(*spans):
    results = {resolve_overlaps(order) for order in permutations(spans)}
    assert len(results) == 1, "the order of the input must not matter"
    return [found.entity_type for found in results.pop()]


def test_specific_type_beats_general_one_of_higher_score():
    assert kept(span("PHONE_NUMBER", 0, 11, 0.75), span("US_SSN", 0, 11, 0.5)) == ["US_SSN"]
    assert kept(span("URL", 4, 12, 0.85), span("EMAIL_ADDRESS", 0, 12, 1.0)) == ["EMAIL_ADDRESS"]


def test_checked_number_beats_pattern():
    assert kept(span("CREDIT_CARD", 0, 19, 1.0), span("US_SSN", 0, 11, 0.85)) == ["CREDIT_CARD"]


def test_a_pattern_beats_a_models_name():
    assert kept(span("PHONE_NUMBER", 0, 12, 0.4), span("PERSON", 0, 20, 0.85)) == ["PHONE_NUMBER"]
    assert kept(span("LOCATION", 0, 9, 0.85), span("US_DRIVER_LICENSE", 0, 8)) == ["US_DRIVER_LICENSE"]
    assert kept(span("LOCATION", 0, 9, 0.85), span("PERSON", 0, 9, 1.0)) == ["PERSON"]


def test_longer_span_wins_at_equal_score():
    assert kept(span("PHONE_NUMBER", 2, 14), span("PHONE_NUMBER", 0, 14)) == ["PHONE_NUMBER"]
    assert resolve_overlaps([span("PHONE_NUMBER", 2, 14), span("PHONE_NUMBER", 0, 14)])[0].start == 0


def test_neighbours_stay_and_come_by_position():
    assert kept(span("US_SSN", 10, 20), span("IP_ADDRESS", 0, 10), span("IBAN_CODE", 20, 30)) == [
        "IP_ADDRESS",
        "US_SSN",
        "IBAN_CODE",
    ]
