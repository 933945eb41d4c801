import pytest
from growth import growth

from detectors import Register
from policies import Policy
from policies.errors import PolicyError


def found(engine, text):
    return [(span.entity_type, text[span.start : span.end]) for span in engine.scan(text).spans]


def policy_of(**entities):
    return Policy.model_validate({"name": "test", "entities": entities})


@pytest.fixture(scope="module")
def engine_for():
    from detectors.engine import Engine

    def build(policy, pipeline=None):
        register = Register()
        register.add("Ada Quill")
        return Engine(policy, register, pipeline)

    return build


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Her phone number is (415) 555-0132.", [("PHONE_NUMBER", "(415) 555-0132")]),
        ("415-555-0132", [("PHONE_NUMBER", "415-555-0132")]),
        ("555-0199 is the number to dial.", [("PHONE_NUMBER", "555-0199")]),
        ("Lot 555-0199 was sold.", []),
        ("at 307-555-0121. Ring her", [("PHONE_NUMBER", "307-555-0121")]),
        ("Write to ada.quill@rivermouth.example.", [("EMAIL_ADDRESS", "ada.quill@rivermouth.example")]),
        ("Her SSN is 212-45-6789.", [("US_SSN", "212-45-6789")]),
        ("Her SSN is 000-45-6789.", []),
        ("The number 212-45-6789 is hers.", [("US_SSN", "212-45-6789")]),
        ("Card 4111 1111 1111 1111, please", [("CREDIT_CARD", "4111 1111 1111 1111")]),
        ("Card 4111-1111-1111-1112", []),
        ("She lives at 482 Maple Ridge Lane.", [("STREET_ADDRESS", "482 Maple Ridge Lane")]),
        ("At 9 St. James Road, Apt. 4B now", [("STREET_ADDRESS", "9 St. James Road, Apt. 4B")]),
        ("12 N. Elm Street, Salem, OR 97301", [("STREET_ADDRESS", "12 N. Elm Street, Salem, OR 97301")]),
        ("In 2019 Ada Quill lived here.", []),
        ("IBAN DE89 3704 0044 0532 0130 00", [("IBAN_CODE", "DE89 3704 0044 0532 0130 00")]),
        ("She logged in from 10.20.30.40", [("IP_ADDRESS", "10.20.30.40")]),
        ("She was born on 3 May 1980.", [("DATE_OF_BIRTH", "3 May 1980")]),
        ("They met on 3 May 1980.", []),
        ("the public key m2 is fine", []),
        ("her driver license is K1234567", [("US_DRIVER_LICENSE", "K1234567")]),
        ("Nothing personal here.", []),
        ("", []),
    ],
)
def test_gdpr_preset_finds(engine, text, expected):
    assert found(engine, text) == expected


def test_offsets_fit_in_a_document_of_several_types(engine):
    text = "Ada: (415) 555-0132, ada@x.org.\nSSN 212-45-6789; card 5555 5555 5555 4444. 7 Oak Lane."
    assert [entity for entity, _ in found(engine, text)] == [
        "PHONE_NUMBER",
        "EMAIL_ADDRESS",
        "US_SSN",
        "CREDIT_CARD",
        "STREET_ADDRESS",
    ]


def test_results_come_in_the_same_order_every_time(engine):
    text = "Ada: (415) 555-0132, ada@x.org, SSN 212-45-6789, 7 Oak Lane, 10.0.0.1. " * 3
    assert len({engine.scan(text).spans for _ in range(5)}) == 1


def test_rivals_explain_away_types_that_the_policy_does_not_name(engine_for):
    engine = engine_for(policy_of(PHONE_NUMBER={"score": 0.3}, URL={"score": 0.3}))
    assert found(engine, "Card 4111 1111 1111 1111") == []
    assert found(engine, "The number 212-45-6789") == []
    assert found(engine, "Write to ada@rivermouth.com") == []
    assert found(engine, "See https://rivermouth.com") == [("URL", "https://rivermouth.com")]


def test_context_words_raise_a_score_on_either_side_and_as_whole_words_only(engine_for):
    rule = {"patterns": [{"name": "badge", "regex": r"\bB\d{4}\b", "score": 0.3}], "context": ["badge"]}
    engine = engine_for(policy_of(BADGE=rule))
    assert found(engine, "His badge is B1234.") == [("BADGE", "B1234")]
    assert found(engine, "B1234 is his badge.") == [("BADGE", "B1234")]
    assert found(engine, "The badger saw B1234.") == []
    assert found(engine, "his badge is b1234.") == [], "a policy's patterns are case-sensitive"


def test_score_threshold_of_the_policy_decides(engine_for):
    assert found(engine_for(policy_of(PHONE_NUMBER={"score": 0.75})), "415-555-0132") == []
    assert found(engine_for(policy_of(PHONE_NUMBER={"score": 0.75})), "phone 415-555-0132") != []


def test_named_entity_model_is_used_where_there_is_one(engine_for):
    import spacy

    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": "Rivermouth"}, {"label": "PERSON", "pattern": "Bo"}])
    policy = policy_of(LOCATION=None, PERSON=None, PHONE_NUMBER=None)
    with_model, without = engine_for(policy, pipeline), engine_for(policy)
    text = "Ada Quill and Bo live in Rivermouth."
    assert found(with_model, text) == [("PERSON", "Ada Quill"), ("PERSON", "Bo"), ("LOCATION", "Rivermouth")]
    assert with_model.model.startswith("spaCy en")
    assert without.model is None
    assert found(without, text) == [("PERSON", "Ada Quill")]
    assert without.coverage == {
        "LOCATION": (),
        "PERSON": ("ListedNameRecognizer", "RegisterRecognizer"),
        "PHONE_NUMBER": ("PhoneRecognizer",),
    }


def test_secret_is_found_wherever_a_long_text_is_cut(engine):
    filler = "and so on "
    for length in (90, 95, 100, 195, 201):
        text = filler * length + "phone (415) 555-0132 " + filler * 150
        scan = engine.scan(text)
        assert [text[span.start : span.end] for span in scan.spans] == ["(415) 555-0132"]
        assert scan.problems == ()


@pytest.mark.parametrize("run", [".", ". ", "a.", "-", "http://", "a@", "1", "x "])
def test_pathological_text_is_bounded_in_time_and_what_follows_is_found(engine, run):
    short, text = (run * times + " phone (415) 555-0132." for times in (600, 6_000))
    scan = engine.scan(text)
    assert growth(lambda: engine.scan(short), lambda: engine.scan(text)) < 40  # its square: 100
    assert ("PHONE_NUMBER", "(415) 555-0132") in [(s.entity_type, text[s.start : s.end]) for s in scan.spans]
    assert bool(scan.problems) == (run in ("a.", "http://", "a@", "1"))


def test_a_pattern_that_runs_out_of_time_is_reported(engine_for, monkeypatch, caplog):
    monkeypatch.setattr("detectors.presidio.analyzer.REGEX_TIMEOUT_SECONDS", 0.5)
    slow = {"patterns": [{"name": "slow", "regex": r"(?:a|aa)+[^ab]", "score": 0.9}]}
    scan = engine_for(policy_of(SLOW=slow, EMAIL_ADDRESS=None)).scan("ada@x.org " + "a" * 300 + "b")
    assert scan.problems == ("incompletely scanned: a pattern ran out of time",)
    assert [span.entity_type for span in scan.spans] == ["EMAIL_ADDRESS"]
    assert not caplog.records


def test_a_recognizer_that_fails_is_reported(engine, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ValueError("Ada Quill")

    monkeypatch.setattr(engine._analyzer, "analyze", fail)
    assert engine.scan("Ada Quill").problems == ("incompletely scanned: a recognizer failed with ValueError",)


def test_words_are_not_remembered_for_ever(engine_for, monkeypatch):
    monkeypatch.setattr("detectors.presidio.nlp.WORDS_REMEMBERED", 200)
    engine = engine_for(policy_of(PHONE_NUMBER={"score": 0.75}))
    nlp = engine._analyzer._nlp
    begin = len(nlp.nlp["en"].vocab.strings)
    for number in range(200):
        text = f"Phone Ann{number} Bo{number} Cy{number}: 415-555-0132"
        assert found(engine, text) == [("PHONE_NUMBER", "415-555-0132")]
        assert len(nlp.nlp["en"].vocab.strings) < begin + 250


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("联系nora@example.org吧", "nora@example.org"),
        ("メールはnora@example.orgまで", "nora@example.org"),
        ("卡号4111111111111111。", "4111111111111111"),
        ("护照上写着SSN：212-45-6789号", "212-45-6789"),
    ],
)
def test_what_touches_letters_of_a_language_without_blanks_is_found(engine, text, found):
    assert found in [text[span.start : span.end] for span in engine.scan(text).spans]


def test_long_text_without_blanks_is_scanned_whole(engine):
    filler = "这是一个没有空格的很长的文本"
    phone = "我的手机号是13812345678"
    text = phone.join(filler * times for times in (60, 71, 700, 6_000, 500))
    assert len(text) > 100_000
    scan = engine.scan(text)
    assert [text[span.start : span.end] for span in scan.spans] == ["13812345678"] * 4
    assert scan.problems == ()


def test_languages_of_the_policy(gdpr):
    from detectors.engine import Engine

    def find(language, text):
        return found(Engine(gdpr.model_copy(update={"language": language}), Register()), text)

    text = "Elle est née le 12 mars 1981; er ist am 3. Juli 1980 geboren."
    assert find("en", text) == []
    assert find("fr", text) == [("DATE_OF_BIRTH", "12 mars 1981")]
    assert len(find(("de", "fr"), text)) == len(find("auto", text)) == 2


def test_a_language_that_nothing_is_known_of(gdpr):
    from detectors.engine import Engine

    with pytest.raises(PolicyError, match="nothing is known of tr") as caught:
        Engine(gdpr.model_copy(update={"language": ("en", "tr")}), Register())
    assert "de" in caught.value.remedy


@pytest.mark.parametrize("number", ["212456789", "212 45 6789", "212-45-6789"])
def test_a_social_security_number_however_it_is_written(engine, number):
    assert found(engine, f"Her SSN is {number}.") == [("US_SSN", number)]
    assert "US_SSN" not in dict(found(engine, "Crate 212456789 was sent."))


@pytest.mark.parametrize(
    ("language", "text", "strangers"),
    [
        ("auto", "Der Neue Markt wird bald erneuert und das ist gut.", []),
        ("de", "Der Neue Markt wird bald erneuert und das ist gut.", []),
        ("auto", "She met Colin Smith at the harbour and they were glad.", ["Colin Smith"]),
        (("en", "fr"), "She met Colin Smith at the harbour and they were glad.", ["Colin Smith"]),
    ],
)
def test_names_are_told_by_the_language_of_each_text(language_engine, language, text, strangers):
    shapes = language_engine(language).shapes(text)
    assert [text[shape.start : shape.end] for shape in shapes.find(text)] == strangers


def test_a_number_that_presidio_knows_is_left_out_where_a_word_says_it_is_an_orders(engine):
    assert found(engine, "La commande 06 78 45 12 33 est partie.") == []
    assert found(engine, "Appelez-le au 06 78 45 12 33 demain.") == [("PHONE_NUMBER", "06 78 45 12 33")]
    assert found(engine, "Commande: tél. 06 78 45 12 33") == [("PHONE_NUMBER", "06 78 45 12 33")]
