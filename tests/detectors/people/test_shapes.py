"""What has the shape of a name, and what does not though it is capitalised."""

import random

import pytest
from faker import Faker
from growth import growth

from detectors.people.shapes import Shape, Shapes

ENGLISH = Shapes()
GERMAN = Shapes("de", ["die", "der", "das", "ihre", "im", "am", "laut"])


def names(text, shapes=ENGLISH, is_name=True):
    return [text[shape.start : shape.end] for shape in shapes.find(text) if shape.is_name == is_name]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cell phone of Colin Smith has the number", ["Colin Smith"]),
        ("Colin Smith answers", ["Colin Smith"]),
        ("Ask Colin Smith or Will May.", ["Colin Smith", "Will May"]),
        ("Yesterday April Jones rang", ["April Jones"]),
        ("The Phone Number Of Colin Smith Is", ["Colin Smith"]),
        ("Colin Smith's Phone Number", ["Colin Smith"]),
        ("the Jones brothers; Charles Jones' card", ["Charles Jones"]),
        ("COLIN SMITH; Colin SMITH", ["COLIN SMITH", "Colin SMITH"]),
        ("C. Smith and J.R.R. Tolkien and Mary J. Blige", ["C. Smith", "J.R.R. Tolkien", "Mary J. Blige"]),
        ("Dr. Smith, Ms Okafor, Frau Weiß", ["Smith", "Okafor", "Weiß"]),
        ("Rosie Lord has it", ["Rosie Lord"]),
        ("Diane Lane and Clara Page", ["Diane Lane", "Clara Page"]),
        ("Jan van der Berg, Juan de la Cruz, Otto von Bismarck", None),
        ("Sinéad O'Neil, Jean-Luc Moreau, Peter D’Angelo, Omar al-Rashid", None),
        ("Иван Петров, Ελένη Παπαδοπούλου, Zoë Ström, Zoe\u0308 Stro\u0308m", None),
        ("We saw Ann Lee. Colin Smith left", ["Ann Lee", "Colin Smith"]),
        ("Smith, Colin: 555-0101\nvan, Lindqvist, Nora has", ["Smith, Colin"]),
        ("It is late. Smith, Colin has it", ["Smith, Colin"]),
        ("The card of Smith, Colin is", ["Smith, Colin"]),
        ("王小明 has it, and محمد علي too", ["王小明", "محمد علي"]),
    ],
)
def test_names(text, expected):
    assert names(text) == (text.split(", ") if expected is None else expected)


@pytest.mark.parametrize(
    "text",
    [
        "The Phone Number Of The Customer Is",
        "Social Security Number, Credit Card, Date of Birth",
        "Annual Meeting Minutes\nEmployment History\nPERSONAL DETAILS",
        "On Monday May 5 and in June 2021",
        "She moved to San Marino, then New York and Los Angeles",
        "in Baton Rouge and Salt Lake City, UT and Glen Burnie, MD, 21061",
        "12 Salt Quay Lane, 4 Mill Lane, 1930 Church Court, Harbour View Street",
        "Acme Corp, Blue Harbour Software, Smith & Sons Ltd, Goldman Group",
        "She works for Harbour Point and studied at Oxford University",
        "the Eiffel Tower and the Red Cross",
        "Senior Vice President of Sales, Chief Executive Officer",
        "Boston, Massachusetts\nSpringfield, IL\n12 Mill Road\nParis, Fontaine\n",
        "Graham, Ochoa and others",
        "Dear Customer Service Team",
        "København K",
        "U.S. and I A B",
        "https://Example.org/Colin-Smith colin@Smith.Example",
        "Aaa Bbb Ccc Ddd Eee Fff",
        "",
    ],
)
def test_what_is_no_name(text):
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Colin's phone and Colin’s card", ["Colin", "Colin"]),
        ("Colin answers at", ["Colin"]),
        ("The phone of Colin is", ["Colin"]),
        ("Patient's number, Monday's visit, That's it", []),
        ("The phone of reception is. She has it. Phone is", []),
        ("We met Colin in the hall", []),
    ],
)
def test_a_single_word_counts_where_something_is_said_to_be_somebodys(text, expected):
    assert names(text, is_name=False) == expected
    assert names(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die Telefonnummer von Nora Lindqvist ist", ["Nora Lindqvist"]),
        ("Colin Schmidt hat die Nummer", ["Colin Schmidt"]),
        ("Ansprechpartner: Jürgen Groß, 0170", ["Jürgen Groß"]),
        ("Colin Schmidts Nummer ist", ["Colin Schmidts"]),
        ("Sie erreichen Otto von Bismarck dort", ["Otto von Bismarck"]),
        ("Herr Schmidt kommt", ["Schmidt"]),
        ("Ihre Private Handynummer lautet", []),
        ("Laut Akte Nummer", []),
        ("Am Montag Morgen kam sie", []),
        ("bei der Deutschen Bank", []),
    ],
)
def test_where_every_noun_is_capitalised_the_words_beside_a_name_speak_for_it(text, expected):
    assert names(text, GERMAN) == expected


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ja", "山田さんの電話は", ["山田"]),
        ("ja", "彼女の電話は", []),
        ("ko", "김민수 씨의 전화", ["김민수"]),
        ("ar", "رقم السيد علي", ["علي"]),
        ("en", "מספר הטלפון של Ada Quill", ["Ada Quill"]),
    ],
)
def test_where_letters_have_no_case_a_form_of_address_tells_a_name(language, text, expected):
    assert names(text, Shapes(language)) == expected


def test_words_are_those_of_the_name_alone():
    (shape,) = ENGLISH.find("Dr. Jan van der Berg's card")
    assert shape == Shape(4, 20, ("Jan", "Berg"))


def test_nothing_overlaps_what_is_taken():
    text = "Ada Quill met Colin Smith at Adam Quill Smith."
    assert [shape.start for shape in ENGLISH.find(text, [(0, 9), (34, 39)])] == [14]


@pytest.mark.parametrize(
    "locale", ["en_US", "fr_FR", "es_ES", "pl_PL", "cs_CZ", "ru_RU", "el_GR", "zh_CN", "he_IL"]
)
def test_names_of_many_countries_are_found(locale):
    fake = Faker(locale)
    fake.seed_instance(0)
    forms = (
        "The mobile number of {} is",
        "{} answers the phone",
        "Contact by phone, {}: the number is",
        "Reminders for {} go to",
    )
    people = [
        fake.last_name() + fake.first_name()
        if locale == "zh_CN"
        else f"{fake.first_name()} {fake.last_name()}"
        for _ in range(100)
    ]
    missed = sum(not names(form.format(name)) for name in people for form in forms)
    assert missed <= len(people) * len(forms) / 100


@pytest.mark.parametrize(
    "text",
    [
        "Aa ", "A.", "A. ", "Aa de ", "Aa-", "Aa'", "A", "Aa, Bb", "Aa, ", "Aa van der ", "Of ", "Dr. ", "王", "王 ",
        "Éé ", "a's ", "Aa's ", " ", "Aa\n", "12 Aa ", "in Aa Bb ",
    ],
)  # fmt: skip
def test_time_grows_with_length_only(text):
    short, long = text * 500, text * 10_000
    assert growth(lambda: ENGLISH.find(short), lambda: ENGLISH.find(long)) < 60  # its square: 400


def test_any_text_can_be_looked_at():
    source = random.Random(0)
    alphabet = "Aa .,'’-:\n&Éé王さん19(;|ª̈"
    for shapes in (ENGLISH, GERMAN, Shapes("ja")):
        for _ in range(300):
            text = "".join(source.choices(alphabet, k=60))
            assert all(0 <= shape.start < shape.end <= len(text) for shape in shapes.find(text))
