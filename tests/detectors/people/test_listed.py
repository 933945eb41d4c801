"""Names by lists of given names and surnames, and what only looks like one."""

import pytest

from detectors.people.listed import ListedNames, NameLists, name_lists


@pytest.fixture(scope="module")
def names():
    return ListedNames("en", {"the", "and", "is", "of"})


def found(names, text):
    return [text[start:end] for start, end in names.find(text)]


def test_the_lists_hold_names_of_many_countries_and_their_parts():
    lists = name_lists()
    assert {"nora", "jürgen", "katarzyna", "françois", "ioana"} <= lists.given
    assert {"smith", "lindqvist", "rodríguez", "kowalski", "müller"} <= lists.family
    assert len(lists.given) > 20_000
    assert len(lists.family) > 20_000
    assert not any(name != name.casefold() for name in lists.given | lists.family)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I spoke to Nora Lindqvist yesterday.", ["Nora Lindqvist"]),
        ("Jürgen Müller hat angerufen.", ["Jürgen Müller"]),
        ("The Kimberly Allaire version was recorded first.", ["Kimberly Allaire"]),
        ("J. Smith signed the form.", ["J. Smith"]),
        ("Ask Dr. Haddadin about it.", ["Dr. Haddadin"]),
        ("Mr. Fields is away.", ["Mr. Fields"]),
        ("Katie's card was stolen.", ["Katie"]),
        ("Marta said that she will pay.", ["Marta"]),
        ("Will said that she will pay.", ["Will"]),
        ("My name is Zoquil, thanks", ["Zoquil"]),
        ("my name is janice brown and i want my money", ["janice brown"]),
        ("please follow up with maria garcia in two months", ["maria garcia"]),
        ("mr. martin is a patient", ["mr. martin"]),
    ],
)
def test_a_name_is_found_as_it_is_written(names, text, expected):
    assert found(names, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "We moved to Austin in May.",
        "She flew from Jordan to Israel.",
        "Underwood Group bought Wilson Industries.",
        "Meet me at Hansen Street.",
        "Will you sign? May I ask? Grant access.",
        "rose bushes and a rose: Rose bushes need water.",
        "Big Three Killed My Baby is a song.",
        "SKY and SAS are companies.",
        "return True if all characters are digits",
        "please give the rest to the bank of the river",
        "",
    ],
)
def test_a_place_a_company_or_a_word_is_no_name(names, text):
    assert found(names, text) == []


def test_names_are_apart_and_in_order(names):
    text = "Nora Lindqvist met Marta Nowak. My name is Nora Lindqvist."
    assert found(names, text) == ["Nora Lindqvist", "Marta Nowak", "Nora Lindqvist"]


def test_other_lists_may_be_given():
    names = ListedNames(lists=NameLists(frozenset({"zoq"}), frozenset({"fot"})))
    assert found(names, "Zoq Fot and Nora Lindqvist left.") == ["Zoq Fot"]


@pytest.mark.parametrize(
    ("person", "supported"),
    [
        ("Nora Lindqvist", True),
        ("Nora", True),
        ("Eusebio Dávila 57", False),
        ("Xylqor Zzyz", False),
        ("Thomas Avenue", False),
        ("Nora\nLindqvist", False),
        ("", False),
    ],
)
def test_a_models_person_is_supported_by_a_listed_word(person, supported):
    assert name_lists().support(person) is supported
