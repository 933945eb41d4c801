"""Statements about data subjects that hold no secret."""

import pytest

from detectors import Document, Fact, Source
from detectors.fact import NOBODY
from editor.case import CaseFiles, open_case
from editor.questions.statements import OTHERS_DOCUMENTS, find_statements
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
        ("Ada Quill hired a plumber for Bo Reed.", []),
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bo Reed works as a locksmith.", [("Bo Reed works as a", "locksmith")]),
        ("Client name: Bo Reed\nTrade: locksmith", [("Client name: Bo Reed\nTrade:", "locksmith")]),
        ("Meet Bo Reed. Bo was raised in Fenwick.", [("Meet Bo Reed. Bo was raised in", "Fenwick")]),
        (
            "Bo Reed hired a plumber. Cy Marsh hired a tailor.",
            [("Bo Reed hired a", "plumber"), ("Cy Marsh hired a", "tailor")],
        ),
        # Of whom is the second sentence?
        ("Bo Reed met Cy Marsh. The trade was locksmith.", []),
        ("A locksmith came.", []),
    ],
)
def test_others_are_told_by_the_shape_of_a_name(text, expected):
    assert found(text) == [(NOBODY, *one) for one in expected]


def test_whom_facts_are_about_is_known_by_name():
    text = "Bo Reed hired a plumber."
    about = Fact(subject="Bo Reed", entity_type="PHONE_NUMBER", secret="415-555-0110", sources=())
    assert found(text, [about]) == [("Bo Reed", "Bo Reed hired a", "plumber")]


def test_others_are_looked_for_in_a_seeded_sample_and_who_asks_everywhere():
    texts = [f"{name} hired a plumber." for name in (NAME, "Bo Reed") for _ in range(OTHERS_DOCUMENTS + 9)]
    documents = [Document(id=str(place), text=text, subjects=()) for place, text in enumerate(texts)]
    made = [
        [one.subject for one in find_statements(documents, [NAME], [], language="en", seed=seed)]
        for seed in (0, 0, 1)
    ]
    assert made[0] == made[1]
    for one in made:
        assert one.count(NAME) == OTHERS_DOCUMENTS + 9
        assert one.count(NOBODY) == OTHERS_DOCUMENTS


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
