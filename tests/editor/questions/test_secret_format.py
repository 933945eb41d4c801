"""The format of a relation's secrets."""

from editor.questions.secret_format import SecretFormat


def test_what_stands_at_a_place_comes_as_often_as_it_occurs():
    known = SecretFormat({"PHONE_NUMBER": ["555-01", "555-02", "555-11"]})
    assert sorted(known.choices("PHONE_NUMBER", 2, 0)) == ["0", "0", "1"]
    assert not known.choices("PHONE_NUMBER", 9, 0)


def test_it_is_counted_out_once_however_many_decoys_are_drawn():
    known = SecretFormat({"PHONE_NUMBER": [f"555-{number:04}" for number in range(10_000)]})
    assert known.choices("PHONE_NUMBER", 2, 0) is known.choices("PHONE_NUMBER", 2, 0)
