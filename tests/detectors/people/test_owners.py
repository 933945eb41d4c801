"""Whose a secret is where several people are named: rightly linked, linked to all whom it may be of, or to nobody."""

import re

import pytest

from detectors import NOBODY, Register, Span
from detectors.people.link import CONFIDENCE, Linker
from detectors.people.sentences import split_sentences
from detectors.people.shapes import Shapes

SECRET = re.compile(r"\d{3}-\d{4}|[a-z]+@example\.org")
NAMES = ("Ada Quill", "Ben Ross", "Cynthia Dell", "Dora Lane")
A, B, C = NAMES[:3]


def owners(text, names=NAMES, about=()):
    """Return the set of people to whom each secret is linked; empty for nobody who is known."""
    register = Register()
    for name in names:
        register.add_person(name)
    spans = [
        Span(
            start=m.start(),
            end=m.end(),
            entity_type="EMAIL_ADDRESS" if "@" in m[0] else "PHONE_NUMBER",
            score=0.5,
        )
        for m in SECRET.finditer(text)
    ]
    linker = Linker(text, split_sentences(text), spans, register, about, Shapes())
    return [{link.subject for link in linker.links(span)} - {NOBODY} for span in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill and Ben Ross have the numbers 555-0101 and 555-0102, respectively.", [{A}, {B}]),
        ("Ada Quill, Ben Ross and Cynthia Dell: 555-0101, 555-0102 and 555-0103.", [{A}, {B}, {C}]),
        ("Ada Quill & Ben Ross use ada@example.org and ben@example.org.", [{A}, {B}]),
        ("Ada Quill und Ben Ross haben 555-0101 und 555-0102.", [{A}, {B}]),
        (
            "Ada Quill and Ben Ross have 555-0101 and 555-0102, and write from a@example.org and b@example.org.",
            [{A}, {B}, {A}, {B}],
        ),
        ("Ada Quill has 555-0101 and 555-0102.", [{A}, {A}]),
        ("Ada Quill and Colin Smith have 555-0101 and 555-0102.", [{A}, set()]),
    ],
)
def test_people_and_secrets_in_a_row_belong_together_in_turn(text, expected):
    assert owners(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill and Ben Ross share the line 555-0101.", [{A, B}]),
        ("Call Ada Quill or Ben Ross at 555-0101.", [{A, B}]),
        ("Ada Quill gave Ben Ross the number 555-0101.", [{A, B}]),
        ("Ada Quill met Ben Ross. Phone: 555-0101.", [{A, B}]),
        ("Ada Quill met Cynthia Dell. Her phone is 555-0101.", [{A, C}]),
    ],
)
def test_what_may_be_of_either_is_of_both(text, expected):
    assert owners(text) == expected
    register = Register()
    register.add_person(A)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill met Ben Ross. His phone is 555-0101.", [{B}]),
        ("Ben Ross met Cynthia Dell. She can be reached at 555-0101.", [{C}]),
        ("Ada Quill visited Ben Ross yesterday. Her number is 555-0101.", [{A}]),
        ("Present: Cynthia Dell, Ben Ross. Cynthia Dell left early. His phone is 555-0101.", [{B}]),
        ("Cynthia Dell left early. His phone is 555-0101.", [{C}]),
    ],
)
def test_a_pronoun_tells_people_apart_whose_names_do(text, expected):
    assert owners(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill's number, Ben Ross says, is 555-0101.", [{A}]),
        ("The number of Ada Quill, according to Ben Ross, is 555-0101.", [{A}]),
        ("Ben Ross said that Ada Quill has 555-0101.", [{A}]),
        ("Ben Ross told Ada Quill that Cynthia Dell's phone is 555-0101.", [{C}]),
        ("Ada Quill's phone is 555-0101 and Ben Ross has 555-0102.", [{A}, {B}]),
        ("555-0101 is Ada Quill's number, Ben Ross told us.", [{A}]),
    ],
)
def test_who_is_said_to_own_it_owns_it_whoever_says_so(text, expected):
    assert owners(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill's doctor has the phone 555-0101.", [set()]),
        ("The landlord of Ada Quill can be reached at 555-0101.", [set()]),
        ("Ada Quill's mother is at 555-0101.", [set()]),
        ("Ada Quill's doctor, Dr. Amir Haddad, has the phone 555-0101.", [set()]),
        ("Ada Quill's manager Ben Ross has the phone 555-0101.", [{B}]),
        ("Ada Quill's nurse wrote down her phone, 555-0101.", [{A}]),
    ],
)
def test_somebody_told_by_a_person_is_not_that_person(text, expected):
    assert owners(text) == expected


HEADERS = "From: Ada Quill <ada@example.org>\nTo: Ben Ross <ben@example.org>\nSubject: Hello\n\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADERS + "You can call me at 555-0101.\n", [{A}, {B}, {A}]),
        (HEADERS + "Dear Ben Ross, my number is 555-0101.\n", [{A}, {B}, {A}]),
        (HEADERS + "The phone of Cynthia Dell is 555-0101.\n", [{A}, {B}, {C}]),
        (HEADERS + "Call Cynthia Dell of Boston, MA on Mon at 555-0101.\n", [{A}, {B}, {C}]),
        (HEADERS + "Hi.\n\nOn Monday Ben Ross wrote:\n> You can reach me at 555-0101.\n", [{A}, {B}, {B}]),
        (HEADERS.replace("Ada Quill", "Colin Smith") + "You can call me at 555-0101.\n", [set(), {B}, set()]),
        (HEADERS.replace("Ada Quill ", "") + "You can call me at 555-0101.\n", [set(), {B}, set()]),
    ],
)
def test_a_messages_body_is_its_senders(text, expected):
    assert owners(text) == expected


def test_an_uncertain_link_is_trusted_least():
    assert CONFIDENCE["uncertain"] == min(value for how, value in CONFIDENCE.items() if how != "none")
