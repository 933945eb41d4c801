"""Errors: what they say survives the way from another process."""

import pickle

import pytest

from policies import errors


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ExpungeError)
    ],
)
def test_errors_come_back_whole(kind):
    made = kind("The cause", "The remedy")
    back = pickle.loads(pickle.dumps(made))  # noqa: S301  # our own
    assert type(back) is kind
    assert (back.cause, back.remedy, back.exit_code) == (made.cause, made.remedy, made.exit_code)
    assert str(back) == str(made) == "The cause. The remedy."


def test_exit_codes_are_those_of_the_documents():
    codes = {code.name: int(code) for code in errors.ExitCode}
    assert codes == {"MET": 0, "LEAKAGE": 1, "USAGE": 2, "UTILITY": 3, "INCOMPLETE": 4, "INTERNAL": 5}
