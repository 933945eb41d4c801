"""A secret begins and ends where a person would begin and end to copy it."""

from itertools import pairwise

import pytest

from detectors import Document, Register, detect_facts
from detectors.reading import read_secret, readings
from detectors.search import search_document

NORA = "nora@example.org"
IBAN = "DE89 3704 0044 0532 0130 00"
CARD = "4111 1111 1111 1111"
PHONE = "415-555-0139"


def findings(engine, text):
    return search_document(Document(id="1", text=text), engine, Register()).found


def found(engine, text):
    """Return the (secret, what stands in the text) of each place."""
    return [(one.secret, text[one.source.start : one.source.end]) for one in findings(engine, text)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "email=@",
            "EMAIL='@'",
            'MAIL="@"',
            "contact:@",
            "to/@",
            "a=1&u=@&b=2",
            "x?u=@",
            "cc;@;",
            "mail->@",
        ),
        *(
            "[@](mailto:it)",
            "<@>",
            "(@)",
            "{@}",
            "|@|",
            "*@*",
            "**@**",
            "_@_",
            "__@__",
            "`@`",
            "~@~",
            "#@",
            "$@",
        ),
        *(
            "Nora Lindqvist|@",
            "Nora Lindqvist/@",
            "Nora Lindqvist<@>",
            "Nora Lindqvist,@",
            "Nora\t@",
            "Nora=@",
        ),
        *("@/x", "@.", "@,", "@!", "@?subject=Hi", "@'s box", "@|Berlin", "@.Call me.", "@.She left", "50%@"),
    ],
)
def test_an_address_is_found_without_what_is_beside_it(engine, text):
    assert found(engine, text.replace("@", NORA)) == [(NORA, NORA)]


@pytest.mark.parametrize(
    "address",
    [
        *("o'brien@example.org", "r&d@example.org", "nora+list@example.org", "nora.k-l@mail.example.co.uk"),
        *(
            "_nora@example.org",
            "nora_@example.org",
            "Nora@Example.Org",
            "n@example.org",
            "nora@bücher.example",
        ),
        *("1st.floor@example.org", "nora@xn--80ak6aa92e.com", "x_y_z@example.org"),
        *("bounce+nora=example.org@lists.example.org", "list-return+7-nora=x.org@example.org"),
    ],
)
def test_an_address_keeps_the_signs_that_are_its_own(engine, address):
    for text in (address, f"Write to {address}.", f"mail={address}"):
        assert found(engine, text) == [(address, address)]


@pytest.mark.parametrize(
    "text",
    [
        "联系@吧",
        "邮箱:@。",
        "メールは@まで",
        "@으로 보내",
        "邮箱@",
        "อีเมล@ครับ",
        "请写信给@，谢谢",
        "联系 @ 吧",
    ],
)
def test_an_address_is_found_amid_letters_that_set_no_blanks(engine, text):
    for written in (NORA, "nora%40example.org", "nora＠example.org"):
        assert found(engine, text.replace("@", written)) == [(NORA, written)]


def test_an_address_in_such_letters_is_kept(engine):
    assert found(engine, "写信给 小明@例子.公司 吧") == [("小明@例子.公司", "小明@例子.公司")]


def test_two_addresses_side_by_side_are_two(engine):
    for sign in "/|;,=":
        assert [secret for secret, _ in found(engine, f"{NORA}{sign}ben@example.org")] == [
            NORA,
            "ben@example.org",
        ]


@pytest.mark.parametrize(
    "text",
    [
        *("(#)", "[#]", "<#>", "{#}", "(tel #)", '"#"', "|#|", "(#", "#)", "((#))", "[#](tel:it)"),
        *("*#*", "=#;", "'#'", "`#`"),
    ],
)
@pytest.mark.parametrize("phone", [PHONE, "(415) 555-0139", "+1 415-555-0139", "4155550139", "01 23 45 67"])
def test_a_number_is_found_without_the_brackets_around_it(engine, text, phone):
    assert found(engine, f"Phone: {text.replace('#', phone)}") == [(phone, phone)]


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("nora%40example.org", NORA),
        ("nora%2Blist%40example.org", "nora+list@example.org"),
        (r"goldi\_aqua@me.com", "goldi_aqua@me.com"),
        (r"goldi\_aqua\_2@me.com", "goldi_aqua_2@me.com"),
        (r"goldi\-aqua\@me\.com", "goldi-aqua@me.com"),
        ("nora&#64;example.org", NORA),
        ("nora&commat;example&period;org", NORA),
        ("nora&#x40;example.org", NORA),
        (r"nora\u0040example.org", NORA),
        ("nora＠example.org", NORA),
        ("ｎｏｒａ＠ｅｘａｍｐｌｅ．ｏｒｇ", NORA),
        ("nora﹫example.org", NORA),
        ("no\u200bra@example.org", NORA),
        ("nora\u2060@exam\u00adple.org", NORA),
        (IBAN.replace(" ", "\u00a0"), IBAN),
        (IBAN.replace(" ", "\u202f"), IBAN),
        (IBAN.replace(" ", "&nbsp;"), IBAN),
        (IBAN.replace(" ", "\u2009"), IBAN),
        (IBAN.replace(" ", "\u200b"), IBAN.replace(" ", "")),
        (CARD.replace(" ", "\u00a0"), CARD),
        (CARD.replace(" ", "\u202f"), CARD),
        (CARD.replace(" ", "\u200b"), CARD.replace(" ", "")),
        ("４１１１　１１１１　１１１１　１１１１", CARD),
        ("212\u201145\u20116789", "212-45-6789"),
        ("415\u200b-555-0139", PHONE),
        ("415‒555‒0139", PHONE),
        ("(415)%20555-0139", "(415) 555-0139"),
        ("%28415%29%20555-0139", "(415) 555-0139"),
        ("%2B14155550139", "+14155550139"),
        ("nora%2540example.org", NORA),
        (r"\+1 415\-555\-0139", "+1 415-555-0139"),
    ],
)
def test_a_secret_is_read_and_its_place_is_that_of_what_is_written(engine, written, secret):
    for text in (
        written,
        f"See {written} there.",
        f"({written})",
        f"a: {written}; b",
        f"\u200b{written}\u200b",
    ):
        pairs = found(engine, text)
        assert [read for read, _ in pairs][:1] == [secret]
        assert pairs[0][1].strip("\u200b") == written


@pytest.mark.parametrize(
    "text",
    [
        *(
            "mailto%3A@",
            "u%3D@",
            "to%2F@",
            "x%26@",
            "a%20@",
            "%22@%22",
            "a%7C@",
            "%3C@%3E",
            "next=%3Fu%3D@%26b",
        ),
        *(r"Mail:\n@\nPhone", r"{'mail':'\t@'}", r"\[@\]", r"\<@\>", r"\*\*@\*\*"),
    ],
)
def test_an_escape_beside_a_secret_is_no_part_of_it(engine, text):
    for written in (NORA, "nora%40example.org"):
        assert found(engine, text.replace("@", written)) == [(NORA, written)]


@pytest.mark.parametrize(
    "text", ["phone%3D#", "tel%3A#", "%22#%22", "a%2F#%26b", r"Tel:\n#\n", r"\(#\)", "phone%3A%2B1 #"]
)
def test_an_escape_beside_a_number_is_no_part_of_it(engine, text):
    ((secret, written),) = found(engine, text.replace("#", PHONE))
    assert secret.removeprefix("+1 ") == PHONE
    assert written.removeprefix("%2B1 ") == PHONE


@pytest.mark.parametrize("gap", ["\u200b", "\ufeff", "\u200e", "\u2060", "&ZeroWidthSpace;"])
def test_invisible_characters_beside_a_secret_are_no_part_of_it(engine, gap):
    for text in (f"{gap}{NORA}{gap}", f"Nora{gap} {NORA} {gap}!", f"({gap}{NORA}{gap})"):
        assert found(engine, text) == [(NORA, NORA)]


def test_invisible_characters_may_part_words_too(engine):
    assert found(engine, f"{NORA}\u200bcall \u200bTel\u200b{PHONE}") == [(NORA, NORA), (PHONE, PHONE)]


def test_one_secret_in_many_forms_is_one_key(gdpr):
    forms = [NORA, "nora%40example.org", "nora＠example.org", "NORA@example.org", "no\u200bra@example.org"]
    facts = detect_facts([Document(id="1", text=" and ".join(forms))], gdpr).unlinked_facts
    assert sum(len(fact.sources) for fact in facts) == len(forms)
    assert {fact.secret for fact in facts} == {NORA, "NORA@example.org"}


def test_the_words_that_lead_to_an_escaped_secret_do_not_hold_it(gdpr):
    text = f"Ask {NORA} or open https://x.org/?u=nora%40example.org now, or nora%40example.org again."
    (fact,) = detect_facts([Document(id="1", text=text)], gdpr).unlinked_facts
    assert len(fact.sources) == 3
    assert not any(NORA in source.prefix or "%40" in source.prefix for source in fact.sources)
    assert all(text[: source.start].endswith(source.prefix) for source in fact.sources)


def test_a_web_address_is_kept_as_it_stands():
    assert read_secret("URL", "https://x.org/?u=nora%40example.org") == "https://x.org/?u=nora%40example.org"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "plain",
            "a%40b",
            "%40%40",
            r"\_",
            r"a\\_b\*",
            "\u200b",
            "\u200ba\u200b\u200bb\u200b",
            "&nbsp;&#64;x",
        ),
        *("＠％４０", "é%40\u00a0\u200bß", r"\u0040\n12", "100%", "&copy; & %zz \\d", "５²①"),
    ],
)
def test_every_character_of_a_reading_has_its_place_in_order(text):
    for reading in readings(text):
        places = [reading.place(at, at + 1) for at in range(len(reading.text))]
        assert all(0 <= start < end <= len(text) for start, end in places)
        assert all(before[1] <= after[0] for before, after in pairwise(places))


def test_text_without_escapes_is_read_as_it_is():
    text = "Plain text of 100 letters; C:/x"
    (reading,) = readings(text)
    assert reading.text is text
    assert reading.place(3, 7) == (3, 7)


def test_a_reading_shows_no_text():
    assert NORA not in repr(next(readings(NORA)))


def test_known_secrets_are_found_under_escapes():
    register = Register()
    register.add(NORA)
    text = f"{NORA}, nora%40example.org, ｎora＠example.org and no\u200bra@example.org"
    assert [text[found.start : found.end] for found in register.find_read(text)] == [
        NORA,
        "nora%40example.org",
        "ｎora＠example.org",
        "no\u200bra@example.org",
    ]
