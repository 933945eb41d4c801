"""The letter: plain words, kinds and counts, and nothing that is anybody's."""

import re
from datetime import date

import pytest

from editor.casework.closing import close_without
from editor.casework.letter import letter
from editor.casework.runs import Run
from policies.errors import OutputError, RequestError

TODAY = date(2026, 2, 4)
FACTS = (
    ("Ada Quill", "PHONE_NUMBER", "415-555-0101"),
    ("Ada Quill", "PHONE_NUMBER", "415-555-0102"),
    ("Ada Quill", "EMAIL_ADDRESS", "ada@example.org"),
    ("Bruno Marsh", "PHONE_NUMBER", "415-555-0109"),
)
PERSONAL = ("Ada", "Quill", "Bruno", "Marsh", "555", "example.org", "subject ", "PHONE_NUMBER")


def words(text):
    return " ".join(text.split())


@pytest.fixture
def case(opened):
    opened("Bruno Marsh", identifier="two")
    return opened(identifier="one", secrets={"PHONE_NUMBER": "415-555-0101"})


def test_it_says_what_was_asked_found_and_done_and_what_came_of_it(case, ran, requests):
    text = letter(case, Run.read(ran(*FACTS)), requests.cases())
    said = words(text)
    for part in (
        "Reference: one Received: 31 January 2026",
        "You handed in yourself: - phone number: 1",
        "3 details about you came under your request: - e-mail address: 1 - phone number: 2",
        "the model gave away all of them",
        "On 3 February 2026 the changed model was loaded again",
        "did not give away any of these details",
        "needed to undo the change is kept",
        "supervisory authority",
    ):
        assert part in said
    assert not [word for word in PERSONAL if word in text]
    assert not re.search(r"\b[0-9a-f]{8}\b", text)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# Your request for erasure: what was done",
        *(f"## What {what}" for what in ("you asked for", "was found", "was done", "came of it", "remains")),
        "## Your rights",
    ]


def test_the_same_run_gives_the_same_letter(case, ran, requests):
    folder = ran(*FACTS)
    letters = {letter(case, Run.read(folder), requests.cases()) for _ in range(2)}
    assert len(letters) == 1


def test_what_was_not_reached_is_told(case, ran, requests):
    run = Run.read(ran((*FACTS[0], True), *FACTS[1:]))
    said = words(letter(case, run, requests.cases()))
    assert "still gave away 1 of 3 details. The erasure is not finished." in said
    assert "Not all that our policy asks of an erasure was met" in said


def test_an_extension_and_the_kinds_asked_for_are_told(opened, ran):
    case = opened("Ada Quill", entity_types=["PHONE_NUMBER", "US_SSN"], extension="many requests came in")
    said = words(letter(case, Run.read(ran(FACTS[0]))))
    assert "You asked for these kinds of data: - phone number - social security number" in said
    assert "Nothing was found of: social security number." in said
    assert "until 30 April 2026. The reason: many requests came in" in said
    assert "1 detail about you" in said
    assert "the model gave it away" in said
    assert "did not give away this detail." in said


def test_a_decision_not_to_erase_gives_its_reason_and_no_result(case):
    text = letter(close_without(case, "we hold no such model", TODAY), None)
    assert "Your data was not erased from the model. The reason: we hold no such model." in text
    assert "supervisory authority" in text
    assert "What was found" not in text


@pytest.mark.parametrize("reason", ["it is the number of bruno  marsh", "415 555 0101 is needed"])
def test_a_reason_that_discloses_somebody_is_refused(case, requests, reason):
    closed = close_without(case, reason, TODAY)
    with pytest.raises(OutputError, match="would disclose something personal") as refused:
        letter(closed, None, requests.cases())
    assert not [word for word in ("marsh", "555") if word in str(refused.value)]


def test_there_is_no_letter_before_a_run_or_by_somebody_elses(case, ran):
    with pytest.raises(RequestError, match="No run that dealt with request one"):
        letter(case, None)
    with pytest.raises(RequestError, match="no facts about a data subject of request one"):
        letter(case, Run.read(ran(FACTS[-1])))
