import pytest

from editor.artefacts.text_mask import TextMask, shortened

MASK = TextMask(
    ["Ada Quill", "Bruno Marsh"],
    ["48 Alder Lane, Dover", "(+1) 415-555-0132", "ada@quill.example"],
    {"d1": [(10, 15)]},
)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Ada Quill lives here.", "••• ••••• lives here."),
        ("Mr. Quill's desk", "Mr. •••••'s desk"),
        ("at 48 ALDER lane, Dover now", "at •• ••••• ••••, ••••• now"),
        ("the marsh is wet", "the marsh is wet"),
        ("call (+1) 415-555-0132 or 7", "call (+•) •••-•••-•••• or •"),
        ("write to ada@quill.example now", "write to ••••••••••••••••• now"),
    ],
)
def test_what_is_known_is_masked_wherever_it_stands(text, masked):
    assert MASK.mask(text) == masked


def test_found_spans_are_masked_in_their_document_alone():
    text = "The word: salty is a secret."
    assert MASK.mask(text, "d1") == "The word: ••••• is a secret."
    assert MASK.mask(text, "d2") == text


def test_lengths_are_not_shown_where_they_are_not_needed():
    assert shortened(MASK.mask("Ada Quill calls 415.")) == "• • calls •."
    assert MASK.token(" Quill") == " •"
    assert MASK.token("ill") == "ill"


def test_text_whose_case_changes_its_length_keeps_its_length():
    text = "ẞtraße of Ada Quill, İzmir"
    assert len(MASK.mask(text)) == len(text)
    assert "Quill" not in MASK.mask(text)


@pytest.mark.parametrize(
    "written", ["ada%40quill.example", "ada＠quill.example", "a\u200bda@quill\u200b.example"]
)
def test_what_is_known_is_masked_under_escapes(written):
    masked = MASK.mask(f"write to {written} now")
    assert len(masked) == len(f"write to {written} now")
    assert not any(word in masked for word in ("ada", "quill", "da@", "example"))
