"""Context words count in every form and key style, in a table's header, and whether or not a model has lemmas."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.language import Language

from detectors import Register
from detectors.engine import Engine
from detectors.presidio.words import key_parts, words_of

RESEARCH = Path(__file__).parents[4] / "shared" / "data" / "presidio-research" / "generated_large.json"
LEMMAS = {
    "born": "bear",
    "phones": "phone",
    "phone": "phone",
    "calling": "call",
    "called": "call",
    "dials": "dial",
    "licenses": "license",
    "lives": "life",
    "living": "live",
    "answering": "answer",
    "cards": "card",
    "social": "sociable",
    "security": "secure",
    "birthday": "birth-day",
}


@Language.component("stub_lemmas")
def stub_lemmas(doc):
    for token in doc:
        token.lemma_ = LEMMAS.get(token.lower_, token.lower_)
    return doc


@pytest.fixture(scope="module")
def lemmatised(gdpr):
    """An engine on a pipeline that has lemmas and finds names, as an installed model does."""
    pipeline = spacy.blank("en")
    pipeline.add_pipe("stub_lemmas")
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": "Nora Lindqvist"}])
    engine = Engine(gdpr, Register(), pipeline)
    assert engine.model
    return engine


def spans(engine, text):
    return [(span.entity_type, text[span.start : span.end]) for span in engine.scan(text).spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nora Lindqvist was born on 12 March 1981.", ("DATE_OF_BIRTH", "12 March 1981")),
        ("Her phones are 01 23 45 67 and none.", ("PHONE_NUMBER", "01 23 45 67")),
        ("Try calling 01 23 45 67 today", ("PHONE_NUMBER", "01 23 45 67")),
        ("She called 01 23 45 67 today", ("PHONE_NUMBER", "01 23 45 67")),
        ("Call 01 23 45 67 today", ("PHONE_NUMBER", "01 23 45 67")),
        ("She dials 555-0139 at night", ("PHONE_NUMBER", "555-0139")),
        ("Her licenses: D1234567", ("US_DRIVER_LICENSE", "D1234567")),
        ("The passports 123456789 were lost", ("US_PASSPORT", "123456789")),
        ("Her birthdays, 12/03/1981", ("DATE_OF_BIRTH", "12/03/1981")),
    ],
)
def test_context_counts_in_every_form_with_lemmas_and_without(engine, lemmatised, text, expected):
    assert spans(engine, text) == spans(lemmatised, text) == [expected]


@pytest.mark.skipif(not RESEARCH.exists(), reason="needs presidio-research")
def test_an_installed_model_loses_nothing(engine, lemmatised):
    texts = [record["full_text"] for record in json.loads(RESEARCH.read_text(encoding="utf-8"))[::4]]
    different = [at for at, text in enumerate(texts) if spans(engine, text) != spans(lemmatised, text)]
    assert different == []


@pytest.mark.parametrize(
    "key",
    [
        *("date_of_birth", "dateOfBirth", "DateOfBirth", "DATE_OF_BIRTH", "date-of-birth", "DATE-OF-BIRTH"),
        *(
            "dateofbirth",
            "DOB",
            "dob",
            "Dob",
            "D.O.B.",
            "d.o.b.",
            "D.O.B",
            "user_dob",
            "userDOB",
            "DOBField",
            "dob_1",
        ),
        *(
            "birthDate",
            "birth_date",
            "BIRTHDATE",
            "patient.birthDate",
            "Birth date",
            "Date of birth",
            "birthdays",
        ),
    ],
)
def test_a_key_counts_in_any_case_style(engine, key):
    for text in (
        f"{key}: 12/03/1981",
        f"{key}=12/03/1981",
        f'{{"{key}": "12/03/1981"}}',
        f"{key}\t12/03/1981",
    ):
        assert spans(engine, text) == [("DATE_OF_BIRTH", "12/03/1981")], text


@pytest.mark.parametrize(
    ("key", "value", "entity_type"),
    [
        *(
            (key, "123456789", "US_PASSPORT")
            for key in ("passportNumber", "passport_no", "PASSPORT-ID", "passportno")
        ),
        *(
            (key, "D1234567", "US_DRIVER_LICENSE")
            for key in ("license_no", "driverLicense", "LICENSE-NUMBER")
        ),
        *(
            (key, "01 23 45 67", "PHONE_NUMBER")
            for key in ("PHONE-NUMBER", "homePhone", "phonenumber", "Fax_No")
        ),
        *(
            (key, "de89370400440532013000", "IBAN_CODE")
            for key in ("userIBAN", "iban_code", "I.B.A.N.", "BankAccountNo")
        ),
    ],
)
def test_a_key_of_each_type_counts(engine, key, value, entity_type):
    assert spans(engine, f"{key}: {value}") == [(entity_type, value)]


@pytest.mark.parametrize(
    "key", ["birthplace", "rebirth", "dobro", "date", "adobe", "DOBERMAN", "stubborn", "ordered"]
)
def test_a_word_that_only_holds_a_context_word_counts_for_nothing(engine, key):
    assert spans(engine, f"{key}: 12/03/1981") == []


def test_words_of_a_key():
    assert key_parts("dateOfBirth") == key_parts("date_of-birth") == ["date", "of", "birth"]
    assert key_parts("D.O.B.") == ["dob"]
    assert key_parts("userIDNumber") == ["user", "id", "number"]
    assert words_of("phones") == words_of("Phone") == words_of("PHONE's".lower())
    assert words_of("https://x.org/phone/1") == {"https://x.org/phone/1"}


ROWS = (
    ("name", "dob", "phone"),
    ("Nora Lindqvist", "12/03/1981", "01 23 45 67"),
    ("Ben Ross", "1.4.1982", "01 23 45 68"),
)
TABLE = [
    ("DATE_OF_BIRTH", "12/03/1981"),
    ("PHONE_NUMBER", "01 23 45 67"),
    ("DATE_OF_BIRTH", "1.4.1982"),
    ("PHONE_NUMBER", "01 23 45 68"),
]


def markdown(rows):
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "| --- |:---:| --- |", *body])


def page(rows):
    cells = ("".join(f"<td class='c'>{cell}</td>" for cell in row) for row in rows)
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


FORMS = {
    **{
        sign: lambda rows, sign=sign: "\n".join(sign.join(row) for row in rows)
        for sign in (";", "\t", "|", ",", " | ")
    },
    "quoted": lambda rows: "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows),
    "carriage returns": lambda rows: "\r\n".join(";".join(row) for row in rows) + "\r\n",
    "Markdown": markdown,
    "HTML": page,
    "HTML lines": lambda rows: page(rows).replace("<", "\n<"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_header_is_context_for_its_column(engine, form):
    table = FORMS[form](ROWS)
    for text in (table, f"Our staff.\n\n{table}\n\nThat is all, folks."):
        assert spans(engine, text) == TABLE


@pytest.mark.parametrize("form", FORMS)
def test_a_header_reaches_the_last_of_many_rows(engine, form):
    rows = [
        *ROWS[:1],
        *(("Nora Lindqvist of the accounts", f"12/03/{1900 + n}", f"01 23 45 {n:02}") for n in range(90)),
    ]
    assert len(spans(engine, FORMS[form](rows))) == 180


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("header", ["hired", "order date", "dateOfOrder"])
def test_a_header_is_no_context_for_other_columns(engine, form, header):
    rows = (("name", "dob", header), *((name, dob, "05/06/2007") for name, dob, _ in ROWS[1:]))
    assert spans(engine, FORMS[form](rows)) == TABLE[::2]


def test_words_of_the_row_count_in_a_table_too(engine):
    text = "field;value;note\ndob;12/03/1981;x\nhired;05/06/2007;x"
    assert spans(engine, text) == [("DATE_OF_BIRTH", "12/03/1981")]


def test_prose_of_lines_with_commas_keeps_its_context(engine):
    text = "Dear Nora, Ben and Cy,\nyou can call us, please,\n01 23 45 67, at night"
    assert spans(engine, text) == [("PHONE_NUMBER", "01 23 45 67")]
