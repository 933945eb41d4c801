import json
from pathlib import Path

import pytest

from detectors.quality import (
    Label,
    LabelledText,
    Rate,
    coverage_lines,
    detection_digest,
    measure_quality,
    quality_json,
    read_labelled,
    read_quality,
    score_types,
)
from policies import EntityRule
from policies.errors import CorpusError

RESEARCH = Path(__file__).parents[4] / "shared" / "data" / "presidio-research" / "generated_large.json"


def label(start, end, entity_type="US_SSN"):
    return Label(start=start, end=end, entity_type=entity_type)


def text(*labels, template="a"):
    return LabelledText(text="x" * 50, labels=labels, template=template)


def scored(texts, found, entity_type="US_SSN"):
    (result,) = score_types(texts, found, [entity_type])
    return result


def test_exact_and_overlapping_hits():
    result = scored([text(label(0, 10), label(20, 30))], [[label(0, 10), label(22, 28), label(40, 44)]])
    assert (result.exact.precision.hits, result.exact.precision.of, result.exact.recall.hits) == (1, 3, 1)
    assert (result.overlapping.precision.hits, result.overlapping.recall.hits) == (2, 2)
    assert result.overlapping.f1 == pytest.approx(2 * (2 / 3) / (1 + 2 / 3), abs=1e-6)


def test_another_type_is_no_hit():
    result = scored([text(label(0, 10))], [[label(0, 10, "URL")]])
    assert result.overlapping.recall.share == 0
    assert result.overlapping.precision.share is None
    assert result.overlapping.f1 == 0


def test_a_place_inside_an_address_is_not_counted():
    labels = text(label(0, 20, "STREET_ADDRESS"), label(30, 35, "LOCATION"))
    result = scored([labels], [[label(5, 10, "LOCATION"), label(30, 35, "LOCATION")]], "LOCATION")
    assert (result.overlapping.precision.hits, result.overlapping.precision.of) == (1, 1)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_is_wilsons(hits, of, low, high):
    """Against Newcombe 1998, table I, method 3."""
    rate = Rate.of_counts(hits, of)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)
    assert rate.share == pytest.approx(hits / of, abs=1e-6)


def test_f1_varies_with_templates_not_with_texts():
    good, bad = text(label(0, 10), template="a"), text(label(0, 10), template="b")
    result = scored([good] * 50 + [bad] * 50, [[label(0, 10)]] * 50 + [[]] * 50).overlapping
    assert (result.f1_low, result.f1_high) == (0, 1), "half of the draws have one template alone"
    assert scored([good] * 3, [[label(0, 10)]] * 3).overlapping.f1_low is None
    assert scored([good] * 50 + [bad] * 50, [[label(0, 10)]] * 50 + [[]] * 50).overlapping == result


@pytest.fixture(scope="module")
def quality(gdpr):
    texts = [
        LabelledText(text="Her SSN is 212-45-6789.", labels=(label(11, 22),), template="a"),
        LabelledText(
            text="In Rome, 9 May.", labels=(label(3, 7, "LOCATION"), label(9, 14, "TITLE")), template="b"
        ),
    ]
    return measure_quality(texts, gdpr, source="labels.json")


def test_measured_on_texts(quality, gdpr):
    (ssn,) = quality.types
    assert ssn.exact.f1 == 1
    assert quality.uncovered == {"LOCATION": 1, "TITLE": 1}
    assert set(quality.unlabelled) == set(gdpr.entities) - {"US_SSN"}
    assert (quality.texts, quality.templates, quality.incomplete, quality.model) == (2, 2, 0, None)


def test_file_and_coverage(quality, gdpr, tmp_path):
    path = tmp_path / "quality.json"
    path.write_text(quality_json(quality))
    assert read_quality(path) == quality
    lines = coverage_lines(quality, gdpr)
    assert "2 labelled texts (labels.json), without a named entity model" in lines[0]
    assert lines[1].startswith("US_SSN: 100.0% (20.7% to 100.0%) of 1 were found")
    assert "PHONE_NUMBER" in lines[-1]
    other = gdpr.model_copy(update={"entities": {"US_SSN": EntityRule(score=0.9)}})
    assert any("other detection settings" in line for line in coverage_lines(quality, other))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda _: None, "is not a measurement of detection"),
        (lambda record: record | {"version": 2}, "of version 1"),
        (lambda _: {"version": 1}, "`policy`, field required"),
        (lambda record: record | {"texts": "Ada Quill"}, "`texts`"),
        (lambda record: record | {"digest": "Ada Quill"}, "`digest`"),
        (lambda record: record | {"spans": ["Ada Quill"]}, "`spans`"),
        (lambda record: record["types"][0]["exact"]["recall"].update(hits=9) or record, "contradict"),
        (lambda record: record["types"][0]["exact"].update(f1=1.5) or record, "types.0.exact.f1"),
    ],
)
def test_a_file_that_is_none_is_refused(quality, tmp_path, change, problem):
    path = tmp_path / "quality.json"
    path.write_text(json.dumps(change(json.loads(quality_json(quality)))))
    with pytest.raises(CorpusError, match=problem) as caught:
        read_quality(path)
    assert "Quill" not in str(caught.value)
    assert "detect --score" in caught.value.remedy


def test_a_missing_file(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        read_quality(tmp_path / "missing.json")


def test_digest_follows_detection_alone(gdpr):
    asked = gdpr.entities["US_SSN"].model_copy(update={"templates": ("{subject} has",)})
    same = gdpr.model_copy(update={"name": "x", "seed": 5, "entities": {**gdpr.entities, "US_SSN": asked}})
    assert detection_digest(same) == detection_digest(gdpr)
    rule = gdpr.entities["US_SSN"].model_copy(update={"score": 0.9})
    assert detection_digest(gdpr.model_copy(update={"entities": {"US_SSN": rule}})) != detection_digest(gdpr)


def test_an_empty_half_is_refused(gdpr):
    with pytest.raises(CorpusError, match="development half"):
        measure_quality([text()], gdpr, source="x", split="development")


@pytest.mark.skipif(not RESEARCH.exists(), reason="needs presidio-research's generated_large.json")
def test_bars_on_unseen_templates(gdpr):
    policy = gdpr.model_copy(update={"entities": {**gdpr.entities, "URL": EntityRule()}})
    quality = measure_quality(read_labelled(RESEARCH), policy, source=RESEARCH.name, split="test")
    f1 = {scored.entity_type: scored.overlapping.f1 for scored in quality.types}
    for entity_type in ("EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "CREDIT_CARD", "US_SSN"):
        assert f1[entity_type] >= 0.95, entity_type
    assert f1["PHONE_NUMBER"] >= 0.85
    assert f1["URL"] >= 0.80
