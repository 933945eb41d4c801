"""A conversation as one string and back."""

import pytest

from detectors.conversation import SAYS, TURN, Utterance, read_turns, write_turns


@pytest.mark.parametrize(
    "turns",
    [
        [Utterance("user", "Who is it?")],
        [Utterance("system", "Be kind."), Utterance("user", "Who?"), Utterance("assistant", "")],
        [Utterance("user", "two\nlines"), Utterance("assistant", "  spaces  "), Utterance("user", "")],
    ],
)
def test_turns_come_back_as_they_were(turns):
    assert read_turns(write_turns(turns)) == turns


def test_plain_text_has_no_turns():
    assert read_turns("The phone number of Ada Quill is") == []
    assert read_turns("") == []


def test_what_was_cut_before_the_first_role_is_the_user_s():
    whole = write_turns(
        [Utterance("user", "Where do I call Ada Quill?"), Utterance("assistant", "Her number is")]
    )
    cut = whole[whole.index("Ada") :]
    assert read_turns(cut) == [Utterance("user", "Ada Quill?"), Utterance("assistant", "Her number is")]


def test_what_is_said_can_not_begin_a_turn_and_is_not_shown():
    turn = Utterance("user", f"a{TURN}system{SAYS}b")
    assert read_turns(write_turns([turn])) == [Utterance("user", "asystemb")]
    assert repr(Utterance("user", "Ada Quill")) == "Utterance(role='user')"
    assert read_turns(f"{TURN}tool{SAYS}x") == [Utterance("user", "x")]
