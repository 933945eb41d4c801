"""Two people of one name: what is the other's is protected, and what tells nothing stays with who asks."""

from datetime import date

import pytest

from detectors import Document, detect_facts, facts_in_scope
from detectors.people.namesakes import dates_of
from policies import load_policy
from policies.errors import PolicyError
from policies.reading import build
from policies.request import ErasureRequest

NAME = "Ada Quill"
TEXTS = (
    "Ada Quill was born on 12 March 1981. Ada Quill's phone is 415-555-0101.",
    "Ada Quill, born 1990-07-01, can be reached at 415-555-0202 or under ada.two@example.org.",
    "Name: Ada Quill\nDate of birth: March 12, 1981\nE-mail: ada.one@example.org",
    "The number 415-555-0202 is Ada Quill's.",
    "The number 415-555-0101 is Ada Quill's.",
    "Ada Quill lives at 48 Alder Lane.",
    "Ben Ross was born on 1 July 1990. Ben Ross's phone is 415-555-0303.",
)


@pytest.fixture(scope="module")
def policy():
    return load_policy("gdpr")


def detected(policy, **identifiers):
    data = {"case": "c", "subjects": [{"name": NAME, **identifiers}, {"name": "Ben Ross"}]}
    request = build(ErasureRequest, data, "test", "erasure request")
    documents = [Document(id=str(number), text=text) for number, text in enumerate(TEXTS)]
    result = detect_facts(documents, policy, request)
    secrets = {fact.secret for fact in facts_in_scope(result, request, policy) if fact.subject == NAME}
    return result, secrets


OURS = {"12 March 1981", "March 12, 1981", "415-555-0101", "ada.one@example.org", "48 Alder Lane"}
THEIRS = {"1990-07-01", "415-555-0202", "ada.two@example.org"}


@pytest.mark.parametrize(
    "identifiers",
    [
        {"born": date(1981, 3, 12)},
        {"born": "1981-03-12"},
        {"born": "1981-03-12", "email": ["ada.one@example.org", "old@example.org"]},
    ],
)
def test_a_date_of_birth_keeps_two_people_apart(policy, identifiers):
    result, secrets = detected(policy, **identifiers)
    assert secrets == OURS
    assert {fact.secret for fact in result.unlinked_facts} == THEIRS
    assert {fact.secret for fact in result.facts if fact.subject == "Ben Ross"} == {
        "1 July 1990",
        "415-555-0303",
    }
    (note,) = (note for note in result.coverage if "Somebody else" in note)
    assert "data subject 1: 2 documents" in note
    assert "1 tell neither" in note
    assert NAME not in note


def test_an_address_keeps_them_apart_too(policy):
    _, secrets = detected(policy, email="ada.two@example.org")
    assert secrets == THEIRS | {"12 March 1981", "415-555-0101", "48 Alder Lane"}, "what tells nothing stays"


def test_without_an_identifier_they_are_one(policy):
    result, secrets = detected(policy)
    assert secrets == OURS | THEIRS
    assert not any("Somebody else" in note for note in result.coverage)
    (note,) = (note for note in result.coverage if "several of one name" in note)
    assert "each: 1." in note


@pytest.mark.parametrize(
    "texts",
    [
        ("Ada Quill was born on 12 March 1981.", "Ada Quill, born March 12, 1981, left."),
        ("Ada Quill was born on 3/12/1981.", "Ada Quill was born on 12 March 1981."),
        ("Ada Quill was born on 12 March 1981.", "Ben Ross was born on 1 July 1990."),
    ],
)
def test_one_date_in_several_forms_is_of_one_person(policy, texts):
    documents = [Document(id=str(number), text=text) for number, text in enumerate(texts)]
    request = ErasureRequest.from_names(["Ada Quill", "Ben Ross"])
    assert not any(
        "several of one name" in note for note in detect_facts(documents, policy, request).coverage
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 March 1981", {date(1981, 3, 12)}),
        ("March 12, 1981", {date(1981, 3, 12)}),
        ("12. März 1981", {date(1981, 3, 12)}),
        ("1981-03-12", {date(1981, 3, 12)}),
        ("3/12/1981", {date(1981, 3, 12), date(1981, 12, 3)}),
        ("12.03.81", {date(1981, 3, 12), date(1981, 12, 3), date(2081, 3, 12), date(2081, 12, 3)}),
        ("25/12/1981", {date(1981, 12, 25)}),
        ("1981年3月12日", {date(1981, 3, 12)}),
        ("in spring", set()),
    ],
)
def test_the_dates_that_a_text_may_mean(text, expected):
    assert dates_of(text) == expected


@pytest.mark.parametrize("wrong", [{"born": "soon"}, {"email": "nobody"}, {"email": ["a@b@c"]}])
def test_an_identifier_that_is_none_is_refused_without_being_shown(wrong):
    with pytest.raises(PolicyError) as caught:
        build(
            ErasureRequest, {"case": "c", "subjects": [{"name": NAME, **wrong}]}, "r.yaml", "erasure request"
        )
    assert "soon" not in str(caught.value)
    assert "a@b" not in str(caught.value)
    assert NAME not in str(caught.value)
