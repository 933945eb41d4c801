"""Records to relearn: those that name who is trained on again and, by no name, anybody who is not."""

import pytest

from detectors import Document
from editor.attacks.ground import naming, register_of
from policies import ErasureRequest

REQUEST = ErasureRequest.model_validate(
    {
        "case": "c",
        "subjects": [{"name": "Ada Quill", "aliases": ["A. Quill", "E-4711"]}, "Ben Marsh", "Cora Finch"],
    }
)


def records(*texts, people=("Ben Marsh",), nobody=("Ada Quill",), request=REQUEST):
    documents = [Document(id=str(number), text=text, subjects=()) for number, text in enumerate(texts)]
    register = register_of({*people, *nobody}, request)
    return [document.text for document in naming(documents, register, people, nobody)]


@pytest.mark.parametrize("alias", ["Ada Quill", "A. Quill", "E-4711", "ADA\nQUILL"])
def test_a_record_that_names_somebody_left_out_by_any_name_is_not_trained_on(alias):
    alone = "Ben Marsh lives in Dover."
    assert records(alone, f"Ben Marsh and {alias} live in Dover.", f"{alias} lives there.") == [alone]


def test_a_record_that_names_somebody_trained_on_by_an_alias_is_one_of_theirs():
    found = records("E-4711 called.", "Cora Finch called.", people=("Ada Quill",), nobody=("Ben Marsh",))
    assert found == ["E-4711 called."]


def test_facts_may_carry_an_alias():
    """A facts file calls somebody by another of the request's names than the text does."""
    assert records("Ben Marsh met Ada Quill.", "Ben Marsh.", nobody=("A. Quill",)) == ["Ben Marsh."]


def test_without_a_request_names_are_what_facts_carry():
    assert records("Ben Marsh met Ada Quill.", "Ben Marsh met E-4711.", request=None) == [
        "Ben Marsh met E-4711."
    ]
