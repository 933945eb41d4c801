import pytest

from detectors import NOBODY, Document, detect_facts, facts_in_scope
from policies import ErasureRequest, load_policy
from policies.errors import PolicyError, SubjectError

PAGES = (
    "Ada Quill works in radiology. The phone number of Ada Quill is (415) 555-0132. Ben Ross can be reached at "
    "ben.ross@rivermouth.example. 415-555-0199 is the number to dial for Cy Dell.",
    "Cy Dell's social security number is 212-45-6789. Ada Quill can be reached by phone at (415) 555-0132.",
    "A. Quill moved. She lives at 482 Maple Ridge Lane. Her card is 4111 1111 1111 1111.",
)
DOCUMENTS = tuple(
    Document(id=f"d{number}", text=text, subjects=("Ada Quill", "Ben Ross", "Cy Dell") if number == 0 else ())
    for number, text in enumerate(PAGES)
)


@pytest.fixture(scope="module")
def request_for_ada():
    return ErasureRequest.model_validate(
        {"case": "RM-1", "subjects": [{"name": "Ada Quill", "aliases": ["A. Quill"]}]}
    )


@pytest.fixture(scope="module")
def result(gdpr, request_for_ada):
    return detect_facts(DOCUMENTS, gdpr, request_for_ada)


def test_facts_of_everybody_in_order_of_first_appearance(result):
    assert [(fact.subject, fact.entity_type, fact.secret) for fact in result.facts] == [
        ("Ada Quill", "PHONE_NUMBER", "(415) 555-0132"),
        ("Ben Ross", "EMAIL_ADDRESS", "ben.ross@rivermouth.example"),
        ("Cy Dell", "PHONE_NUMBER", "415-555-0199"),
        ("Cy Dell", "US_SSN", "212-45-6789"),
        ("Ada Quill", "STREET_ADDRESS", "482 Maple Ridge Lane"),
        ("Ada Quill", "CREDIT_CARD", "4111 1111 1111 1111"),
    ]


def test_a_secret_found_twice_is_one_fact_with_two_sources(result):
    sources = result.facts[0].sources
    assert [source.document for source in sources] == ["d0", "d1"]
    assert [source.prefix for source in sources] == [
        "The phone number of Ada Quill is ",
        "Ada Quill can be reached by phone at ",
    ]


def test_prefix_begins_at_the_sentence_that_names_the_subject(result):
    assert result.facts[4].sources[0].prefix == "A. Quill moved. She lives at "


def test_every_source_points_at_its_secret(result):
    texts = {document.id: document.text for document in DOCUMENTS}
    for fact in result.facts:
        for source in fact.sources:
            text = texts[source.document]
            assert text[source.start : source.end] == fact.secret
            assert text[: source.start].endswith(source.prefix)


def test_result_says_what_was_covered_and_names_nobody(result):
    assert result.documents == 3
    assert result.skipped == ()
    assert result.mentions == {"Ada Quill": 3, "Ben Ross": 1, "Cy Dell": 2}
    notes = "\n".join(result.coverage)
    assert "PERSON comes only from the register of 3 names and from lists of names" in notes
    assert "2 by earlier sentence (0.99), 5 by sentence (0.99)" in notes
    shown = notes + repr(result)
    assert not any(word in shown for word in ("Quill", "Ross", "555", "rivermouth", "Maple"))


def test_an_iterator_gives_the_same_as_a_tuple(gdpr, request_for_ada, result):
    calls = []
    again = detect_facts(iter(DOCUMENTS), gdpr, request_for_ada, on_document=lambda: calls.append(1))
    assert again == result
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("Nora Lindqvist has (415) 555-0132.", "Nora Lindqvist"),
        ("Dr. Jürgen Müller's phone is (415) 555-0132.", "Jürgen Müller"),
        ("Nora Lindqvist left. Her number is (415) 555-0132.", "Nora Lindqvist"),
        ("| name | phone |\n| --- | --- |\n| Nora Lindqvist | (415) 555-0132 |", "Nora Lindqvist"),
        ("Nora's phone is (415) 555-0132.", ""),
        ("Sunset Boulevard Pizza has (415) 555-0132.", ""),
        ("Xylqor Zzyz has (415) 555-0132.", ""),
    ],
)
def test_where_nobody_is_named_whom_a_document_names_in_full_is_known(gdpr, text, owner):
    result = detect_facts([Document(id="1", text=text)], gdpr)
    (fact,) = (*result.facts, *result.unlinked_facts)
    assert fact.subject == owner


def test_where_somebody_is_named_others_stay_strangers(gdpr, request_for_ada):
    texts = ("Nora Lindqvist has (415) 555-0132.", "Ada Quill has (415) 555-0133.")
    documents = [Document(id=str(n), text=text) for n, text in enumerate(texts)]
    result = detect_facts(documents, gdpr, request_for_ada)
    assert [fact.subject for fact in result.facts] == ["Ada Quill"]
    assert [fact.secret for fact in result.unlinked_facts] == ["(415) 555-0132"]


def test_without_a_register_nothing_is_linked(gdpr):
    result = detect_facts([Document(id="1", text="The desk has (415) 555-0132 and ada@x.org.")], gdpr)
    assert result.facts == ()
    assert result.unlinked == {"PHONE_NUMBER": 1, "EMAIL_ADDRESS": 1}
    assert [(fact.subject, fact.secret) for fact in result.unlinked_facts] == [
        (NOBODY, "(415) 555-0132"),
        (NOBODY, "ada@x.org"),
    ]
    assert "415" not in repr(result)
    notes = "\n".join(result.coverage)
    assert "register of names is empty" in notes
    assert "1 EMAIL_ADDRESS, 1 PHONE_NUMBER" in notes


def test_names_given_are_looked_for(gdpr):
    document = Document(id="1", text="Ada Quill has (415) 555-0132.")
    (fact,) = detect_facts([document], gdpr, register=["Ada Quill"]).facts
    assert fact.subject == "Ada Quill"


def test_the_requests_spelling_of_a_name_wins(gdpr):
    request = ErasureRequest.model_validate(
        {"case": "a", "subjects": [{"name": "Ada Moss", "aliases": ["Ada Quill"]}]}
    )
    result = detect_facts(DOCUMENTS[:1], gdpr, request)
    assert result.facts[0].subject == "Ada Moss"
    assert result.mentions["Ada Moss"] == 1
    assert "Ada Quill" not in result.mentions


def test_incompletely_scanned_document_is_reported_with_what_it_held(gdpr):
    document = Document(
        id="odd", text="Ada Quill has (415) 555-0132. " + "x" * 3_000, subjects=("Ada Quill",)
    )
    result = detect_facts([document], gdpr)
    assert len(result.facts) == 1
    assert [place for place, _ in result.skipped] == ["document 1"]
    assert "incompletely scanned" in result.skipped[0][1]


def test_a_persons_own_name_is_no_fact(gdpr):
    policy = gdpr.model_copy(update={"entities": {"PERSON": gdpr.entities["US_SSN"]}})
    assert detect_facts(DOCUMENTS, policy).facts == ()


def test_scope_keeps_the_requests_subjects_and_types(gdpr, result, request_for_ada):
    assert facts_in_scope(result, None, gdpr) == result.facts
    assert {fact.subject for fact in facts_in_scope(result, request_for_ada, gdpr)} == {"Ada Quill"}
    phones = request_for_ada.model_copy(update={"entity_types": ("PHONE_NUMBER",)})
    assert [fact.secret for fact in facts_in_scope(result, phones, gdpr)] == ["(415) 555-0132"]


def test_scope_refuses_unknown_people_and_types_without_naming_anybody(gdpr, result, request_for_ada):
    with pytest.raises(SubjectError, match="data subject 2 of the 2") as caught:
        facts_in_scope(result, ErasureRequest.from_names(["Ada Quill", "Eve Nobody"]), gdpr)
    assert "Eve" not in str(caught.value)
    with pytest.raises(PolicyError, match="US_NPI"):
        facts_in_scope(result, request_for_ada.model_copy(update={"entity_types": ("US_NPI",)}), gdpr)


def test_every_source_says_how_it_was_linked(result):
    links = [(source.link, source.named_at) for fact in result.facts for source in fact.sources]
    assert set(links) >= {("sentence", PAGES[0].rindex("Ada Quill")), ("earlier sentence", 0)}
    assert all(0.5 < source.confidence < 1 for fact in result.facts for source in fact.sources)


def test_records_in_every_shape_link_to_their_own_subject(gdpr):
    shapes = (
        '{"name": "Ada Quill", "manager": {"name": "Ben Ross", "phone": "415-555-0199"}, "phone": "415-555-0132"}',
        "name: Ada Quill\nmanager.name: Ben Ross\nmanager.phone: 415-555-0199\nphone: 415-555-0132",
        "Name | Phone\nAda Quill | 415-555-0132\nBen Ross | 415-555-0199",
        "Name: Ada Quill\nPhone: 415-555-0132\n\nName: Ben Ross\nPhone: 415-555-0199",
    )
    for shape in shapes:
        found = detect_facts([Document(id="1", text=shape)], gdpr, register=["Ada Quill", "Ben Ross"])
        assert {(fact.subject, fact.secret) for fact in found.facts} == {
            ("Ada Quill", "415-555-0132"),
            ("Ben Ross", "415-555-0199"),
        }, shape


def test_what_may_be_a_strangers_is_protected_and_counted(gdpr):
    text = (
        "In the pension files, Allison Freeman has SSN 945-15-6713. The cell phone of Colin Smith has the number "
        "256-555-0155."
    )
    result = detect_facts([Document(id="1", text=text)], gdpr, ErasureRequest.from_names(["Allison Freeman"]))
    assert [(fact.subject, fact.secret) for fact in result.facts] == [("Allison Freeman", "945-15-6713")]
    assert [(fact.subject, fact.secret) for fact in result.unlinked_facts] == [(NOBODY, "256-555-0155")]
    assert "whose they may be: 1." in "\n".join(result.coverage)


def test_names_are_told_in_the_policys_language(gdpr):
    text = "Ada Quill ist Kundin. Seine Private Nummer lautet 030 901820."
    german = gdpr.model_copy(update={"language": "de"})
    (fact,) = detect_facts([Document(id="1", text=text)], german, register=["Ada Quill"]).facts
    assert fact.subject == "Ada Quill"


def test_what_could_not_be_read_is_reported_like_what_could_not_be_scanned(gdpr):
    document = Document(id="odd", text="Fine.", problems=("incompletely scanned: x",), place="row 7")
    assert detect_facts([document], gdpr).skipped == (("row 7", "incompletely scanned: x"),)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Her Social Security number is 900713975.", "900713975"),
        ("SSN: 412 71 3975", "412 71 3975"),
        ("What is Ada Quill's Social Security Number? 934551200", "934551200"),
    ],
)
def test_a_social_security_number_needs_no_dashes_where_it_is_called_one(text, secret):
    (fact,) = detect_facts([Document(id="1", text=text, subjects=("Ada Quill",))], load_policy("gdpr")).facts
    assert (fact.entity_type, fact.secret) == ("US_SSN", secret)


@pytest.mark.parametrize(
    "text", ["Order 900713975 was sent.", "It weighs 412713975 grams.", "Social events: 000713975"]
)
def test_nine_digits_alone_are_no_social_security_number(text):
    found = detect_facts([Document(id="1", text=text, subjects=("Ada Quill",))], load_policy("gdpr")).facts
    assert [fact.entity_type for fact in found if fact.entity_type == "US_SSN"] == []
