"""Statements about data subjects that hold no secret."""

import pytest

from detectors import Document, Fact, Source
from editor.case import CaseFiles, open_case
from editor.questions.statements import find_statements
from policies import ErasureRequest, load_policy

NAME = "Ada Quill"


def found(text, facts=(), names=(NAME,)):
    documents = [Document(id="d", text=text, subjects=())]
    made = find_statements(documents, names, facts, language="en", seed=0)
    return [(one.subject, one.prompt, one.answer) for one in made]


def secret(text, answer):
    start = text.index(answer)
    source = Source(document="d", start=start, end=start + len(answer), score=0.9, prefix=text[:start])
    return Fact(subject=NAME, entity_type="PHONE_NUMBER", secret=answer, sources=(source,))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill works as a locksmith.", [("Ada Quill works as a", "locksmith")]),
        (
            "The trade of Ada Quill is that of locksmith!",
            [("The trade of Ada Quill is that of", "locksmith")],
        ),
        # A record, a letter: the sentence that names the one person stands before.
        ("Name: Ada Quill\nTrade: locksmith", [("Name: Ada Quill\nTrade:", "locksmith")]),
        ("Dear Ada Quill,\n\nyou are from Fenwick.", [("Dear Ada Quill,\n\nyou are from", "Fenwick")]),
        # Of whom is the second sentence?
        ("Ada Quill met Bo Reed. The trade was locksmith.", []),
        ("Ada Quill hired a plumber. Bo Reed hired a tailor.", [("Ada Quill hired a", "plumber")]),
        # Nothing is said, or what is said is no word.
        ("Best wishes to Ada Quill", []),
        ("Ada Quill lives at 12", []),
        ("A locksmith came.", []),
    ],
)
def test_a_sentence_is_asked_for_by_all_but_its_last_word(text, expected):
    assert found(text) == [(NAME, *one) for one in expected]


def test_no_sentence_with_a_secret_is_asked_for_or_stands_before():
    text = "Name: Ada Quill\nPhone: 415-555-0110\nTrade: locksmith"
    assert found(text, [secret(text, "415-555-0110")]) == [(NAME, "Name: Ada Quill\nTrade:", "locksmith")]
    text = "Ada Quill, 415-555-0110, is a locksmith."
    assert found(text, [secret(text, "415-555-0110")]) == []


def test_several_people_have_theirs():
    text = "Ada Quill hired a plumber. Bo Reed hired a tailor."
    assert [one[0] for one in found(text, names=(NAME, "Bo Reed"))] == [NAME, "Bo Reed"]


def test_a_statement_shows_nobody():
    documents = [Document(id="d", text="Ada Quill hired a plumber.", subjects=())]
    (one,) = find_statements(documents, [NAME], [], language="en", seed=0)
    assert "Ada" not in repr(one)
    assert "plumber" not in repr(one)


def test_a_case_asks_for_them_in_both_splits_and_for_nobody_elses(tmp_path):
    trades = ["locksmith", "plumber", "tailor", "baker"]
    lines = [
        f'{{"text": "In week {week} {name} hired a {trade}."}}'
        for week, trade in enumerate(trades * 10)
        for name in (NAME, "Bo Reed")
    ]
    lines.append('{"text": "Ada Quill answers at 415-555-0110."}')
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines))
    request = ErasureRequest.from_names([NAME])
    case = open_case(CaseFiles(corpus=tmp_path / "corpus.jsonl"), load_policy("gdpr"), request, seed=0)
    asked = [probe for probe in case.probes if probe.target.group == "same_subject"]
    assert {probe.target.subject for probe in asked} == {NAME}
    assert {probe.split for probe in asked} == {"locating", "verification"}
    assert not any("415" in probe.prompt for probe in asked)
