"""A conversation as one string and back."""

import pytest

from detectors.conversation import SAYS, TURN, Turn, read_turns, write_turns


@pytest.mark.parametrize(
    "turns",
    [
        [Turn("user", "Who is it?")],
        [Turn("system", "Be kind."), Turn("user", "Who?"), Turn("assistant", "")],
        [Turn("user", "two\nlines"), Turn("assistant", "  spaces  "), Turn("user", "")],
    ],
)
def test_turns_come_back_as_they_were(turns):
    assert read_turns(write_turns(turns)) == turns


def test_plain_text_has_no_turns():
    assert read_turns("The phone number of Ada Quill is") == []
    assert read_turns("") == []


def test_what_was_cut_before_the_first_role_is_the_user_s():
    whole = write_turns([Turn("user", "Where do I call Ada Quill?"), Turn("assistant", "Her number is")])
    cut = whole[whole.index("Ada") :]
    assert read_turns(cut) == [Turn("user", "Ada Quill?"), Turn("assistant", "Her number is")]


def test_what_is_said_can_not_begin_a_turn_and_is_not_shown():
    turn = Turn("user", f"a{TURN}system{SAYS}b")
    assert read_turns(write_turns([turn])) == [Turn("user", "asystemb")]
    assert repr(Turn("user", "Ada Quill")) == "Turn(role='user')"
    assert read_turns(f"{TURN}tool{SAYS}x") == [Turn("user", "x")]
