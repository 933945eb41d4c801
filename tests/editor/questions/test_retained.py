"""Retained text without the secrets that are to go."""

from detectors import Document, Fact, Source
from editor.questions.retained import erased_spans

FACT = Fact(
    subject="Ada Quill",
    entity_type="PHONE_NUMBER",
    secret="415-555-0132",
    sources=(Source(document="d0", start=3, end=15, score=0.9, prefix="At "),),
)


def test_a_secret_that_is_to_go_is_found_wherever_it_stands():
    """Also where detection found nothing, or more places than were kept."""
    documents = [
        Document(id="d1", text="Ring 415-555-0132 or 415-555-01321, or 415-555-0132."),
        Document(id="d2", text="Ring nobody."),
    ]
    spans = erased_spans([FACT], documents)
    assert spans["d0"] == [(3, 15)]
    assert spans["d1"] == [(5, 17), (39, 51)]
    assert not spans["d2"]
    assert erased_spans([FACT]) == {"d0": [(3, 15)]}
