import re

import pytest
from growth import growth

from detectors import NOBODY, PREFIX_CHARACTERS, Register, Span
from detectors.people.link import CONFIDENCE, Linker
from detectors.people.prefix import prefix_of
from detectors.people.sentences import split_sentences
from detectors.people.shapes import Shapes

SECRET = re.compile(r"\d{3}-\d{4}")
NAMES = ("Ada Quill", "Ben Ross", "Cy Dell", "Dora Quill")


def links(text, about=(), names=NAMES, language="en"):
    register = Register()
    for name in names:
        register.add(name)
    spans = [
        Span(start=m.start(), end=m.end(), entity_type="PHONE_NUMBER", score=0.5)
        for m in SECRET.finditer(text)
    ]
    linker = Linker(text, split_sentences(text), spans, register, about, Shapes(language))
    found = [linker.link(span) for span in spans]
    return [(link.subject, link.how) if link.subject != NOBODY else None for link in found]


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("The number of Ada Quill is 555-0101.", ["Ada Quill"]),
        ("555-0101 is the number to dial for Ada Quill.", ["Ada Quill"]),
        (
            "Ada Quill has 555-0101. 555-0202 belongs to Ben Ross. Cy Dell: 555-0303.",
            ["Ada Quill", "Ben Ross", "Cy Dell"],
        ),
        ("Ada Quill's is 555-0101 and Ben Ross's is 555-0202.", ["Ada Quill", "Ben Ross"]),
        ("555-0101 is for Ada Quill and 555-0202 is for Ben Ross.", ["Ada Quill", "Ben Ross"]),
        ("555-0101 is for Ada Quill, who also has 555-0202.", ["Ada Quill", "Ada Quill"]),
        ("Dial 555-0101 or 555-0202 for Ada Quill.", ["Ada Quill", "Ada Quill"]),
    ],
)
def test_a_sentence_that_names_people_decides_alone(text, subjects):
    found = links(text, about=("Dora Quill",))
    assert [subject for subject, _ in found] == subjects
    assert {how for _, how in found} <= {"sentence", "sentence of several"}


def test_a_sentence_of_several_people_is_trusted_less():
    assert links("Ada Quill has 555-0101.") == [("Ada Quill", "sentence")]
    assert links("Ada Quill, not Ben Ross, has 555-0101.") == [("Ben Ross", "sentence of several")]
    assert CONFIDENCE["sentence of several"] < CONFIDENCE["sentence"]


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("Name: Ada Quill\nManager: Ben Ross\nPhone: 555-0101", ["Ada Quill"]),
        ("Phone: 555-0101 | Name: Ada Quill | Manager: Ben Ross | Fax: 555-0202", ["Ada Quill"] * 2),
        ("Name: Ada Quill\nPhone: 555-0101\nName: Ben Ross\nPhone: 555-0202", ["Ada Quill", "Ben Ross"]),
        ("Phone: 555-0101\nName: Ada Quill\nPhone: 555-0202\nName: Ben Ross", ["Ada Quill", "Ben Ross"]),
        ("First name: Ada\nLast name: Quill\nPhone: 555-0101", ["Ada Quill"]),
        ("**Patient:** Ada Quill\n**Doctor:** Cy Dell\n**Phone:** 555-0101", ["Ada Quill"]),
        ('[{"name": "Ada Quill", "phone": "555-0101"}, {"phone": "555-0202", "name": "Cy Dell"}]', None),
        (
            '{"people": {"name": "Ada Quill", "home": {"phones": ["555-0101", "555-0202"]}}}',
            ["Ada Quill"] * 2,
        ),
        ('{"name": "Ada \\"Q\\" Quill"}\n{"name": "Ben Ross", "phone": "555-0101"}', ["Ben Ross"]),
    ],
)
def test_a_record_says_whose_it_is(text, subjects):
    assert links(text) == [(subject, "record") for subject in subjects or ("Ada Quill", "Cy Dell")]


def test_a_record_of_somebody_unknown_links_to_nobody():
    assert links('{"name": "Eve Nobody", "manager": "Ada Quill", "phone": "555-0101"}') == [None]
    assert links("Ada Quill is here.\nName: Eve Nobody\nPhone: 555-0101") == [None]


def test_a_field_that_names_somebody_decides_for_itself():
    text = "Name: Ada Quill\nNote: Ben Ross answers 555-0101\nPhone: 555-0202"
    assert links(text) == [("Ben Ross", "sentence"), ("Ada Quill", "record")]


def test_prose_is_no_record():
    assert links("Ada: mine is 555-0101\nBen: mine is 555-0202", about=("Ada Quill", "Ben Ross")) == [
        ("Ada Quill", "sentence"),
        ("Ben Ross", "sentence"),
    ]
    assert links("[Ada Quill] has 555-0101") == [("Ada Quill", "sentence")]


def test_time_grows_with_length_only():
    short, long = ("Ada Quill is here. " + "Ring 555-0101 now. " * count for count in (1_000, 20_000))
    assert set(links(long)) == {("Ada Quill", "earlier sentence")}
    assert growth(lambda: links(short), lambda: links(long)) < 60  # its square: 400


def test_time_does_not_grow_with_strangers_times_people():
    def text(count):
        people = (
            f"Ada{chr(97 + n % 26)}{chr(97 + n // 26 % 26)} Quill came. Eve Moss had 555-0101. "
            for n in range(count)
        )
        return "".join(people), [
            f"Ada{chr(97 + n % 26)}{chr(97 + n // 26 % 26)} Quill" for n in range(min(count, 676))
        ]

    (short, few), (long, many) = text(60), text(600)
    assert growth(lambda: links(short, names=few), lambda: links(long, names=many)) < 30  # its square: 100


def test_pronouns_refer_to_the_first_person_of_the_last_sentence_that_names_one():
    text = "Cy Dell left. Ada Quill met Ben Ross. It rained. Her number is 555-0101."
    assert links(text) == [("Ada Quill", "earlier sentence")]
    assert links(text, about=("Ben Ross", "Cy Dell")) == [("Ben Ross", "earlier sentence")]


def test_document_decides_where_no_sentence_does():
    text = "The number is 555-0101. The weather is fine."
    assert links(text) == [None]
    assert links(text, about=("Ada Quill",)) == [("Ada Quill", "document")]
    assert links(text, about=("Ada Quill", "Ben Ross")) == [None]
    assert links(text + " Ben Ross knows.") == [("Ben Ross", "document")]


def test_part_of_a_name_counts_where_only_one_person_of_the_document_has_it():
    assert links("Ada Quill met Ben Ross. Mr. Ross has 555-0101.") == [("Ben Ross", "sentence")]
    assert links("Ben's number is 555-0101.") == [None], "nobody in this document is called Ben"
    assert links("Ada Quill met Dora Quill. Quill has 555-0101.") == [("Ada Quill", "uncertain")]


@pytest.mark.parametrize(
    "text",
    [
        "Ada Quill left. The cell phone of Colin Smith is 555-0155.",
        "Ada Quill left. The Phone Number Of Colin Smith Is 555-0155.",
        "Ada Quill left. Colin Smith's phone is 555-0155.",
        "Ada Quill left. Dr. Smith has 555-0155.",
        "Ada Quill left. C. Smith has 555-0155.",
        "Ada Quill left. Smith, Colin: 555-0155.",
        "Ada Quill left. Jan van der Berg has 555-0155.",
        "Ada Quill left. Иван Петров has 555-0155.",
        "Ada Quill left. 王小明 has 555-0155.",
        "Ada Quill left. Colin's phone is 555-0155.",
        "Ada Quill told us that the phone of Colin Smith is 555-0155.",
        "555-0155 is the number of Colin Smith, says Ada Quill.",
        "The number is 555-0155. Ask Colin Smith or Ada Quill.",
        "Ada Quill left. Colin Smith stayed. It rained. His number is 555-0155.",
        "Ada Quill met Colin Smith. His number is 555-0155.",
        "Colin Smith met Ada Quill. His number is 555-0155.",
        "Ada Quill met Colin Smith. It rained. Colin has 555-0155.",
        "Colin Smith | 555-0155\nName | Ada Quill",
        "Ada Quill\n\nColin Smith\nPhone: 555-0155\nTown: Dover",
        "Ada Quill called.\nPhone: 555-0155\nContact: Colin Smith",
        "From: Colin Smith <c@x.org>\nTo: Ada Quill <a@x.org>\n\nRing 555-0155, please.",
        "Dear Ada Quill,\n\nmy direct line is 555-0155.\n\nKind regards,\nColin Smith",
        "Ada Quill: hello\nColin Smith: ring 555-0155",
        "Name: Colin Smith, guardian of Ada Quill\nPhone: 555-0155",
        "Name: Ada Quill\nNote: Colin Smith answers 555-0155",
    ],
)
def test_what_may_be_a_strangers_is_nobodys(text):
    assert links(text) == [None]


def test_a_stranger_with_the_same_surname_is_somebody_else():
    assert links("Ada Quill left. Eve Quill has 555-0155.") == [None]
    assert links("Eve Quill came. Ada Quill left. It rained. Quill has 555-0155.") != [
        ("Ada Quill", "sentence")
    ]
    assert links("Ada Quill left. Ms. Quill has 555-0101.") == [("Ada Quill", "sentence")]


@pytest.mark.parametrize(
    "text",
    [
        "Ada Quill was born in New York in May 1980. She lives at Salt Quay Lane and answers 555-0101.",
        "Ada Quill works for Acme Corp. She moved to San Diego on Monday. Her number is 555-0101.",
        "Ada Quill is Senior Vice President of Sales. Reach her at 555-0101.",
        "Ada Quill\n\nEmployment History\nSocial Security: 555-0101",
        "PERSONAL DETAILS\nAda Quill\nPHONE NUMBER 555-0101",
        "Ada Quill called. The Phone Number Of The Customer Is 555-0101.",
        "Ada Mary Quill came, said Ada Quill. Her number is 555-0101.",
        "Quill, Ada: a patient. Ada Quill came. Her number is 555-0101.",
        "My name is Ada Quill. My number is 555-0101.",
        "Colin Smith came. Ada Quill left. She has 555-0101.",
        "Ada Quill left. She has 555-0101. Colin Smith came.",
    ],
)
def test_what_only_looks_like_a_name_changes_nothing(text):
    assert links(text) == [("Ada Quill", "earlier sentence")]


def test_beside_strangers_those_who_are_named_have_what_is_theirs():
    assert links("Colin Smith told us that the phone of Ada Quill is 555-0101.") == [
        ("Ada Quill", "sentence of several")
    ]
    assert links("Ada Quill\n555-0101\n\nColin Smith\n555-0155") == [("Ada Quill", "earlier sentence"), None]
    assert links("Name: Ada Quill\nNote: Colin Smith answers 555-0155\nPhone: 555-0101") == [
        None,
        ("Ada Quill", "record"),
    ]


def test_where_the_document_says_whom_it_is_about_a_stranger_counts_in_the_secrets_sentence_alone():
    text = "Ada Quill came with Colin Smith. Her number is 555-0101."
    assert links(text) == [None]
    assert links(text, about=("Ada Quill",)) == [("Ada Quill", "earlier sentence")]
    assert links("Colin Smith has 555-0155.", about=("Ada Quill",)) == [None]


def test_german_nouns_are_no_names():
    known = "Ada Quill ist Kundin. "
    assert links(known + "Ihre Private Handynummer ist 555-0101.", language="de") != [None]
    assert links(known + "Adresse von Ada und Nummer: 555-0101.", language="de") == [
        ("Ada Quill", "sentence")
    ]
    assert links(known + "Die Telefonnummer von Colin Schmidt ist 555-0155.", language="de") == [None]


def test_a_name_inside_a_secret_names_nobody():
    register = Register()
    register.add("Ada Quill")
    text = "Send it to 4 Ada Quill Road now."
    span = Span(start=11, end=27, entity_type="STREET_ADDRESS", score=0.6)
    assert Linker(text, split_sentences(text), [span], register, (), Shapes()).link(span).subject == NOBODY


def prefix(text, occurrence=0, anchor=None):
    match = list(SECRET.finditer(text))[occurrence]
    span = Span(start=match.start(), end=match.end(), entity_type="PHONE_NUMBER", score=0.5)
    sentences = split_sentences(text)
    start = sentences.starts[sentences.index(span.start)] if anchor is None else anchor
    result = prefix_of(text, span, start, sentences)
    assert text[: span.start].endswith(result)
    assert len(result) <= PREFIX_CHARACTERS
    assert match[0] not in result
    return result


def test_prefix_is_the_text_from_the_anchor_to_the_secret():
    text = "It rained. Ada Quill is here. Her number is 555-0101."
    assert prefix(text) == "Her number is "
    assert prefix(text, anchor=11) == "Ada Quill is here. Her number is "
    assert prefix("555-0101 is hers.") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rained. Eve Nobody has 555-0101.", "Eve Nobody has "),
        ("Eve Nobody left. 555-0101 is hers.", "Eve Nobody left. "),
        ("First.\nEve Nobody left. 555-0101 is hers.", "Eve Nobody left. "),
        ("555-0101 is hers.", ""),
        # As in a letter: who is meant is named before.
        (
            "Hello.\n\nDear Eve Stone,\n\nit rained. Your number is 555-0101.",
            "Dear Eve Stone,\n\nit rained. Your number is ",
        ),
        ("Eve Stone left. Bo Reed came. He has 555-0101.", "Bo Reed came. He has "),
        (
            "It rained.\nName: Eve Nobody\nTown: Dover\nPhone: 555-0101",
            "Name: Eve Nobody\nTown: Dover\nPhone: ",
        ),
        ('{"name": "Eve Nobody", "phone": "555-0101"}', '{"name": "Eve Nobody", "phone": "'),
    ],
)
def test_what_leads_to_a_secret_of_nobody_begins_with_a_stranger_its_sentence_line_or_record(text, expected):
    (match,), sentences = SECRET.finditer(text), split_sentences(text)
    span = Span(start=match.start(), end=match.end(), entity_type="PHONE_NUMBER", score=0.5)
    link = Linker(text, sentences, [span], Register(), (), Shapes()).link(span)
    assert (link.subject, link.how, link.confidence) == (NOBODY, "none", 0)
    assert prefix_of(text, span, link.anchor, sentences) == expected


def test_what_leads_to_a_secret_of_nobody_does_not_begin_before_somebody_known():
    text = "Eve Stone wrote. Ada Quill came. Eve's is 555-0101."
    register = Register()
    register.add("Ada Quill")
    (match,), sentences = SECRET.finditer(text), split_sentences(text)
    span = Span(start=match.start(), end=match.end(), entity_type="PHONE_NUMBER", score=0.5)
    link = Linker(text, sentences, [span], register, (), Shapes()).link(span)
    assert link.subject == NOBODY
    assert prefix_of(text, span, link.anchor, sentences) == "Eve's is "


def test_long_prefix_is_cut_at_a_sentence_then_at_a_word():
    filler = "This sentence has exactly so many words in it. "
    text = "Ada Quill is here. " + filler * 8 + "Her number is 555-0101."
    cut = prefix(text, anchor=0)
    assert cut.startswith("This sentence")
    assert cut.endswith("Her number is ")
    assert PREFIX_CHARACTERS - len(filler) < len(cut)
    long_sentence = "word " * 100 + "555-0101"
    assert prefix(long_sentence).startswith("word ")
    assert len(prefix("x" * 400 + "555-0101")) == 0


def test_prefix_never_holds_the_secret_itself():
    assert prefix("Ada has 555-0101. Yes, 555-0101.", 1, anchor=0) == "Yes, "
    assert prefix("Ada has 555-0101 and again 555-0101", 1, anchor=0) == "and again "
