import inspect
import socket

import pytest

from detectors import Register
from policies import EntityRule, Pattern
from policies.entities import KNOWN_ENTITIES
from policies.errors import PolicyError


def test_table_of_entity_types_is_presidios():
    """Every recognizer class that has one entity type of its own, and no other, is in the table."""
    from presidio_analyzer import predefined_recognizers

    presidio = {}
    for name in predefined_recognizers.__all__:
        recognizer = getattr(predefined_recognizers, name)
        if inspect.isclass(recognizer):
            parameter = inspect.signature(recognizer.__init__).parameters.get("supported_entity")
            if parameter is not None:
                presidio[parameter.default] = name
    presidio.pop(None, None)
    presidio.pop(inspect.Parameter.empty, None)
    assert presidio == {key: known.recognizer for key, known in KNOWN_ENTITIES.items() if known.recognizer}


def test_every_table_entry_can_be_built():
    from detectors.presidio.recognizers import recognizers_for

    for entity_type, known in KNOWN_ENTITIES.items():
        recognizers = list(recognizers_for(entity_type, EntityRule(), "en"))
        assert len(recognizers) == (known.recognizer is not None)
        assert all(recognizer.supported_entities == [entity_type] for recognizer in recognizers)
        assert all(recognizer.supported_language == "en" for recognizer in recognizers)


def test_context_words_of_the_policy_do_not_leak_into_presidios_class():
    from detectors.presidio.recognizers import recognizers_for

    (extended,) = recognizers_for("US_SSN", EntityRule(context=("sozial",)), "en")
    (plain,) = recognizers_for("US_SSN", EntityRule(), "en")
    assert "sozial" in extended.context
    assert "sozial" not in plain.context


def test_pattern_that_presidios_regex_module_refuses():
    from detectors.presidio.recognizers import recognizers_for

    rule = EntityRule(patterns=(Pattern(name="fuzzy", regex="{e}", score=0.5),))
    with pytest.raises(PolicyError, match=r"entities.BADGE.patterns\[0\]"):
        list(recognizers_for("BADGE", rule, "en"))


def test_email_is_checked_without_network(monkeypatch):
    from detectors.presidio.recognizers import OfflineEmailRecognizer

    def refuse(*_args, **_kwargs):
        raise AssertionError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    recognizer = OfflineEmailRecognizer("en")
    accepted = ["a@b.com", "ada.quill@rivermouth.example", "a@b.co.uk", "root@mail.corp", "x@y.internal"]
    assert all(recognizer.validate_result(address) for address in accepted)
    assert not recognizer.validate_result("a@b.notasuffix")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dial (415) 555-0132 or 415-555-0199.", ["(415) 555-0132", "415-555-0199"]),
        ("+44 20 7946 0958 and +49 30 901820", ["+44 20 7946 0958", "+49 30 901820"]),
        ("Rooms 12, 482 and 77, in 2019", []),
        ("212-45-6789 is an SSN", []),
        ("no digits", []),
    ],
)
def test_phone_numbers(text, expected):
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    from detectors.presidio.recognizers import QuickPhoneRecognizer

    def spans(recognizer):
        return sorted({(r.start, r.end) for r in recognizer.analyze(text, ["PHONE_NUMBER"])})

    quick = spans(QuickPhoneRecognizer("en"))
    assert [text[start:end] for start, end in quick] == expected
    assert quick == spans(PhoneRecognizer()), "the shortcut finds what Presidio finds"


def test_register_is_a_recognizer():
    from detectors.presidio.recognizers import RegisterRecognizer

    register = Register()
    register.add("Ada Quill", ["A. Quill"])
    results = RegisterRecognizer(register, "en").analyze("Ada Quill is A. Quill", ["PERSON"])
    assert [(r.entity_type, r.start, r.end, r.score) for r in results] == [
        ("PERSON", 0, 9, 1.0),
        ("PERSON", 13, 21, 1.0),
    ]
