"""The one person whom some texts seem to name."""

import pytest

from detectors.people.naming import likely_name


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["To call Cy Hart, dial", "Cy Hart answers at"], "Cy Hart"),
        (["Name: Cy Hart\nPhone:"], "Cy Hart"),
        (["Dial for Cy Hart:", "the number is"], "Cy Hart"),
        (["Dial for Cy Hart:", "Dial for Bo Reed:"], None),
        (["Cy Hart and Bo Reed answer at"], None),
        (["The number is"], None),
        ([], None),
    ],
)
def test_a_name_is_taken_where_texts_give_one_alone(texts, name):
    assert likely_name(texts) == name
