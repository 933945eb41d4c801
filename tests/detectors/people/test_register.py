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


def person(name, *aliases):
    register = Register()
    register.add_person(name, aliases)
    return register


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # the surname first
        ("Nora Lindqvist", "Lindqvist, Nora: 415-555-0139"),
        ("Nora Ann Lindqvist", "LINDQVIST, Nora Ann"),
        ("Nora Lindqvist", "Lindqvist Nora"),
        # apostrophes
        ("Sean O'Brien", "Sean O’Brien"),
        ("Sean O’Brien", "Sean O'Brien"),
        ("Sean OʼBrien", "O´Brien, Sean"),
        # hyphens
        ("Anna-Lena Berg", "Anna\u2011Lena Berg"),
        ("Anna-Lena Berg", "Anna\u2010Lena Berg"),
        ("Anna\u2013Lena Berg", "Anna-Lena Berg"),
        # what is not seen
        ("Nora Lindqvist", "Nora Lind\u00adqvist"),
        ("Nora Lindqvist", "\ufeffNora\u200bLindqvist"),
        ("Nora Lindqvist", "No\u2060ra Lindqvist"),
        # accents
        ("José Núñez", "Jose Nunez"),
        ("Jose Nunez", "José Núñez"),
        ("Zoë Müller", "Zoe Mueller"),
        ("Søren Ørsted", "Soren Orsted"),
        ("Łukasz Wójcik", "Lukasz Wojcik"),
        # case
        ("Nora Lindqvist", "nora lindqvist"),
        ("Nora Lindqvist", "NORA LINDQVIST"),
        ("Nora Lindqvist", "lindqvist, nora"),
        # scripts without blanks
        ("山田太郎", "昨日山田太郎さんに会った"),
        ("山田 太郎", "昨日山田太郎さんに会った"),
        ("王小明", "請聯絡王小明，電話如下"),
        ("김민수", "어제 김민수는 왔다"),
    ],
)
def test_a_person_is_found_however_the_name_is_written(name, text):
    (mention,) = person(name).find(text)
    assert mention.subject == " ".join(name.split())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Will May", "they will may be come"),
        ("Mark Grant", "mark grant applications"),
        ("Rose Hill", "rose hill is a part of town"),
        ("Nora Lindqvist", "Nora, Lindqvist"),
        ("Nora Lindqvist", "nora Lindqvist's"),
        ("Ada Quill", "Quill Adams"),
    ],
)
def test_other_words_are_nobody_s_name(name, text):
    assert person(name).find(text) == []


@pytest.mark.parametrize("alias", ["nora", "nora.l@example.org", "nlind42", "C-10023", "@nora_l"])
def test_an_alias_is_taken_as_it_is(alias):
    (mention,) = person("Nora Lindqvist", alias).find(f"user {alias} logged in")
    assert mention.subject == "Nora Lindqvist"


def test_a_form_that_is_somebody_else_s_name_or_several_people_s_is_not_theirs():
    register = Register()
    for name in ("Ann Rose", "Rose Ann", "Tom Ray Lee", "Ray Lee Tom"):
        register.add_person(name)
    assert [mention.subject for mention in register.find("Rose Ann; Ann Rose")] == ["Rose Ann", "Ann Rose"]
    assert register.canonical("Ann, Rose") == "Rose Ann"
    assert register.subjects == ("Ann Rose", "Rose Ann", "Tom Ray Lee", "Ray Lee Tom")
    assert len(register) == 4


def test_a_form_of_two_people_s_names_is_nobody_s():
    register = Register()
    register.add_person("Zoe Ann Muller")
    register.add_person("Ann Muller Zoe")
    assert register.canonical("Muller Zoe Ann") == "Zoe Ann Muller"
    assert register.canonical("Zoe Ann Muller") == "Zoe Ann Muller"
    register.add_person("Ann, Muller Zoe")  # an inverted name that was given is one
    assert register.canonical("Ann, Muller Zoe") == "Ann, Muller Zoe"


def test_secrets_have_no_other_forms():
    register = Register()
    register.add("48 Alder Lane")
    register.add("Alder Lane")
    assert register.find("Lane, Alder") == []
    assert register.find("alder lane") == []
