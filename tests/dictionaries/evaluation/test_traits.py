import pytest

from dictionaries.evaluation.passages import Passage
from dictionaries.evaluation.traits import stem, traits


def at(text, position=20):
    """The traits of the part between bars."""
    before, token, after = text.split("|")
    return traits(Passage(before, token, after, position))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Ada| lives| in Alton",
            {"the word “lives”", "a form of “liv”", "in lower case", "before the word “in”"},
        ),
        ("Ada Qu|ill| works", {"inside a word", "the word “quill”", "in a name of several words"}),
        ("Ada| Quill| works", {"a capitalised word", "after the word “ada”", "in a name of several words"}),
        ("Call 555|-|0142", {"punctuation", "the token “-”", "after a number", "before a number"}),
        ("Call 555-0|1|42.", {"a number", "digit 2 of a number", "in a number of 4 digits", "the digit 1"}),
        ("Call 555-|0|142.", {"after “-”", "in a number with separators", "in group 2 of a number"}),
        ("since| 1|984.", {"in a year", "digit 1 of a number", "after the word “since”"}),
        ("on 12/0|3|/2024.", {"in a date", "in group 2 of a number"}),
        ("at| 12|:30", {"in a time of day", "2 digits at once"}),
        ("costs $|40|.50 now", {"in an amount of money"}),
        ("code AB|1|2C", {"in a code of letters and digits"}),
        ("mail ada|@|example.org", {"in an e-mail address", "the token “@”"}),
        ("It ends.| The|n", {"at the beginning of a sentence", "a word that goes on"}),
        ("The phone number of Ada| is| 5", {"“phone” shortly before", "after the words “of ada”"}),
    ],
)
def test_what_is_said_of_a_token(text, expected):
    assert expected <= at(text)


def test_positions():
    assert "the first token of the text" in at("|Ada| lives", position=0)
    assert "behind the first 12 tokens of the text" in at("|Ada| lives", position=30)


@pytest.mark.parametrize(
    "text",
    [
        "write to ada.qu|ill|@example.org",
        "write to ada.quill@exa|mple|.org",
        "at ada.quill@|example|.org now",
    ],
)
def test_addresses_are_not_quoted(text):
    joined = " ".join(at(text))
    for part in ("ada", "quill", "ill", "mple", "example"):
        assert f"“{part}" not in joined


def test_numerals_are_quoted_by_no_more_than_a_digit():
    joined = " ".join(at("card 4929 |1182| 7731"))
    assert "1182" not in joined
    assert "4929" not in joined


def test_stems():
    assert {stem(word) for word in ("lives", "lived", "Living")} == {"liv"}
    assert stem("is") == "is"
