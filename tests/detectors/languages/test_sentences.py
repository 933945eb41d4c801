"""Invented sentences in 26 languages: what is found, and what is not."""

import pytest

from detectors.languages.knowledge import known_languages
from tests.benchmarks.languages import read_sentences

SENTENCES = read_sentences()
MISSED = {"Lange Vijverberg 8"}
"""A street whose name says nothing of streets."""


def overlap(one, other):
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


@pytest.mark.parametrize("code", SENTENCES)
def test_everything_personal_is_found_and_nothing_else(engine, code):
    missed, false = [], []
    for sentence in SENTENCES[code]:
        found = [(span.entity_type, span.start, span.end) for span in engine.scan(sentence.text).spans]
        marked = [(label.entity_type, label.start, label.end) for label in sentence.labels]
        missed += [sentence.text[s:e] for t, s, e in marked if not any(overlap((t, s, e), f) for f in found)]
        false += [sentence.text[s:e] for t, s, e in found if not any(overlap((t, s, e), m) for m in marked)]
    assert (set(missed) - MISSED, false) == (set(), [])


def test_every_language_has_sentences_with_and_without():
    assert set(SENTENCES) == set(known_languages())
    for sentences in SENTENCES.values():
        types = {label.entity_type for sentence in sentences for label in sentence.labels}
        assert types >= {"DATE_OF_BIRTH", "STREET_ADDRESS"}
        assert sum(not sentence.labels for sentence in sentences) >= 2


@pytest.mark.parametrize("code", [code for code in SENTENCES if code != "en"])
def test_a_language_is_enough_for_its_own_sentences(code, language_engine):
    engine = language_engine(code)
    for sentence in SENTENCES[code]:
        found = [(span.entity_type, span.start, span.end) for span in engine.scan(sentence.text).spans]
        for label in sentence.labels:
            place = (label.entity_type, label.start, label.end)
            secret = sentence.text[label.start : label.end]
            assert secret in MISSED or any(overlap(place, one) for one in found), secret
