import pytest
from growth import growth

from detectors import Register


def found(register, text):
    return [(text[mention.start : mention.end], mention.subject) for mention in register.find(text)]


@pytest.fixture
def register():
    register = Register()
    register.add("Ada Quill", ["A. Quill", "Ada Quill-Moss", "Addie"])
    register.add("Will May")
    register.add("Jean-Luc O'Brien")
    register.add("Zoë Ström")
    register.add("Juan de la Cruz")
    return register


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ada Quill's file", [("Ada Quill", "Ada Quill")]),
        ("call ADA  QUILL, now", [("ADA  QUILL", "Ada Quill")]),
        ("Ada\nQuill", [("Ada\nQuill", "Ada Quill")]),
        ("Mr. A. Quill and Addie", [("A. Quill", "Ada Quill"), ("Addie", "Ada Quill")]),
        ("Ada Quill-Moss", [("Ada Quill-Moss", "Ada Quill")]),
        ("it will may be Will May", [("Will May", "Will May")]),
        ("Jean-Luc O'Brien left", [("Jean-Luc O'Brien", "Jean-Luc O'Brien")]),
        ("ZOË STRÖM", [("ZOË STRÖM", "Zoë Ström")]),
        ("Zoe\u0308 Stro\u0308m", [("Zoe\u0308 Stro\u0308m", "Zoë Ström")]),
        (
            "JUAN DE LA CRUZ, Juan De La Cruz",
            [("JUAN DE LA CRUZ", "Juan de la Cruz"), ("Juan De La Cruz", "Juan de la Cruz")],
        ),
        ("ada.quill@x.org Adaquill Quill Ada", []),
        ("Ada, Quill", []),
        ("", []),
    ],
)
def test_find(register, text, expected):
    assert found(register, text) == expected


def test_longest_name_wins_and_mentions_do_not_overlap():
    register = Register()
    register.add("Ada")
    register.add("Ada Quill")
    register.add("Quill Ross")
    assert found(register, "Ada Quill Ross") == [("Ada Quill", "Ada Quill")]
    assert found(register, "Ada Ross") == [("Ada", "Ada")]


def test_first_owner_of_a_name_keeps_it(register):
    register.add("Bo Moss", ["Addie"])
    register.add("ada  quill")
    assert register.canonical("Addie") == register.canonical("ADA QUILL") == "Ada Quill"
    assert register.canonical("Nobody") is None
    assert register.subjects[0] == "Ada Quill"
    assert len(register) == len(register.subjects) == 6


def test_repr_of_a_mention_shows_no_name(register):
    assert "Quill" not in repr(register.find("Ada Quill"))


def test_time_does_not_depend_on_the_number_of_names():
    text = "The number that the front desk has on file for Name7 Surname7 is not 415-555-0132."

    def register_of(count):
        register = Register()
        for number in range(count):
            register.add(f"Name{number} Surname{number % 97}")
        assert len(register.find(text)) == 1
        return register

    few, many = register_of(50), register_of(50_000)
    times = 50
    assert growth(lambda: few.find(text), lambda: [many.find(text) for _ in range(times)]) < 5 * times
