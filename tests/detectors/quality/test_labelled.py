import json

import pytest

from detectors.quality import Label, LabelledText, read_labelled, split_by_template
from policies.errors import CorpusError


def test_both_formats_say_the_same(tmp_path):
    span = {"entity_type": "US_SSN", "start_position": 7, "end_position": 18, "entity_value": "212-45-6789"}
    record = {"full_text": "Her is 212-45-6789.", "spans": [span], "template_id": 5, "masked": ""}
    plain = {
        "text": record["full_text"],
        "spans": [{"entity_type": "SSN", "start": 7, "end": 18}],
        "template": "5",
    }
    (tmp_path / "list.json").write_text(json.dumps([record]))
    (tmp_path / "lines.jsonl").write_text(json.dumps(plain) + "\n\n")
    expected = LabelledText(
        text=record["full_text"], labels=(Label(start=7, end=18, entity_type="US_SSN"),), template="5"
    )
    assert read_labelled(tmp_path / "list.json") == read_labelled(tmp_path / "lines.jsonl") == (expected,)
    assert "212" not in repr(expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("nothing", "neither a JSON list"),
        ("[]", "no labelled text"),
        ('{"text": "Ada Quill"}', "Record 1"),
        ('{"text": "Ada", "spans": [{"entity_type": "PERSON", "start": 0, "end": 9}]}', "Record 1"),
        ('{"text": ["Ada"], "spans": []}', "Record 1"),
        ("[3]", "Record 1"),
    ],
)
def test_what_is_not_labelled_text_is_refused(tmp_path, content, problem):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(CorpusError, match=problem) as caught:
        read_labelled(path)
    assert "Ada" not in str(caught.value)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_labelled(tmp_path / "missing.json")


def test_halves_share_no_template_and_both_have_every_type_of_two_templates():
    texts = [
        LabelledText(
            text="x" * 9,
            labels=(Label(start=0, end=1, entity_type=f"TYPE_{number % 7}"),),
            template=str(number),
        )
        for number in [*range(14), *range(14)]
    ]
    halves = [split_by_template(texts, split) for split in ("development", "test")]
    templates = [{text.template for text in half} for half in halves]
    assert not templates[0] & templates[1]
    assert len(halves[0]) + len(halves[1]) == len(split_by_template(texts, "all")) == 28
    for half in halves:
        assert {label.entity_type for text in half for label in text.labels} == {
            f"TYPE_{number}" for number in range(7)
        }
    assert split_by_template(texts[:1], "development") == ()
