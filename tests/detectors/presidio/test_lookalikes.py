"""Numbers that look personal and are called, shaped or placed as something else are not found."""

import pytest

from detectors import Register
from detectors.engine import Engine
from policies import EntityRule

PHONE, CARD = "4155550139", "4111111111111111"


@pytest.fixture(scope="module")
def bank_engine(gdpr):
    rules = {**gdpr.entities, "US_BANK_NUMBER": EntityRule(score=0.0), "URL": EntityRule()}
    return Engine(gdpr.model_copy(update={"entities": rules}), Register())


def spans(engine, text):
    return [(span.entity_type, text[span.start : span.end]) for span in engine.scan(text).spans]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "logged 1714557600 events",
            "at 1714557600 it ended",
            "[1714557600] started",
            "1714557600.123 done",
        ),
        *(
            "created_at=1714557600",
            '{"ts": 1714557600123}',
            "exp: 1714557600",
            "since 1999999999",
            "1714557600123456",
        ),
        *('{"phone": "none", "createdAt": 1714557600}', "Call ended. timestamp: 1714557600"),
    ],
)
def test_a_unix_time_is_no_phone_number(engine, text):
    assert spans(engine, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *(f"order {PHONE}", f"Order number {PHONE} was sent", f"order no. {PHONE}", f"orderNumber: {PHONE}"),
        *(
            f"order_id={PHONE}",
            f'"ORDER-ID": "{PHONE}"',
            f"Orders {PHONE}, {PHONE} and {PHONE}",
            f"order #{PHONE}",
        ),
        *(f"tracking number {PHONE}", f"Tracking: {PHONE}", f"parcel {PHONE}", f"invoice number is {PHONE}"),
        *(f"commit {PHONE}", f"sha1: {PHONE}", f"build {PHONE}", f"SKU-{PHONE}", f"#{PHONE}", f"INV-{PHONE}"),
        *(f"{PHONE}-AB", f"https://x.org/orders/{PHONE}/", f"x?id={PHONE}", f"${PHONE}", f"3.{PHONE}"),
        *(f"{PHONE} bytes", f"read {PHONE} rows", f"{PHONE} people", f"order {CARD}", f"tracking no {CARD}"),
        *(f"order ({PHONE})", f"(order {PHONE})", f"order [{PHONE}]"),
        *(f"Order number:\n{PHONE}", f"the serial is {PHONE}", f"purchase order {PHONE}"),
    ],
)
def test_a_number_that_is_called_something_else_is_none(engine, text):
    assert spans(engine, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ISBN 0306406152",
            "ISBN 0-306-40615-2",
            "0-306-40615-2",
            "ISBN 978-3-16-148410-0",
            "978-0-306-40615-7",
        ),
        *("ISBN: 9780306406157", "isbn13=9780306406157", "ISBN-10: 0306406152", "(ISBN 0 306 40615 2)"),
    ],
)
def test_an_isbn_is_no_phone_number(engine, text):
    assert spans(engine, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *("123e4567-e89b-12d3-a456-415555013900", "phone row 12345678-4155-5501-3900-415555013900"),
        *("41555501-3941-4555-8139-415555013999", "commit e3b0c44298fc1c149afbf4c8996fb92427ae41e4"),
        *(
            "account at commit ab12cd34ef567890ab12",
            "digest 4155550139abcdef4155550139abcdef",
            "1Z9994155550139784",
        ),
    ],
)
def test_parts_of_an_identifier_are_nothing(engine, text):
    assert spans(engine, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "release 1.2.3.4",
            "Version: 1.2.3.4",
            "version 10.0.0.1 and 10.0.0.2",
            "upgraded to 1.2.3.4",
            "v 1.2.3.4",
        ),
        *(
            "upgrade from 1.2.3.4 to 1.2.4.0",
            '"version": "1.2.3.4"',
            "appVersion=1.2.3.4",
            "firmware 1.2.3.4",
        ),
        *(
            "Chrome/120.0.0.0 Safari",
            "nginx/1.2.3.4",
            "foo==1.2.3.4",
            "foo>=1.2.3.4",
            "libfoo-1.2.3.4.tar.gz",
        ),
        *(
            "1.2.3.4.5",
            "OID 1.3.6.1.4.1",
            "see section 1.2.3.4",
            "the 1.2.3.4 release",
            "setup_1.2.3.4",
            "1.2.3.4-beta",
        ),
        *("logged in release 1.2.3.4", "driver.1.2.3.4.zip"),
    ],
)
def test_a_version_is_no_address(engine, text):
    assert spans(engine, text) == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "phone: 1714557600",
            "phone 1714557600",
            "call 1714557600",
            '"phone": "1714557600"',
            "mobile=1714557600",
        ),
        *(
            f"Order by phone: {PHONE}",
            f"to order, call {PHONE}",
            f"phone #{PHONE}",
            f"Fax-{PHONE}",
            f"TEL-{PHONE}",
        ),
        *(
            "order 415-555-0139",
            "To order: (415) 555-0139",
            "order +14155550139",
            f"Nora Lindqvist {PHONE}",
            PHONE,
        ),
        *(
            f"call Nora about order 7 on {PHONE}",
            f"reach her on {PHONE}",
            f"message {PHONE}",
            f"wa.me/{PHONE}",
        ),
        *(f"Her orders.\n{PHONE}", f"12;{PHONE}", f"12,{PHONE}", f"https://x.org/tel/{PHONE}"),
    ],
)
def test_what_is_called_a_phone_number_stays(engine, text):
    assert [entity_type for entity_type, _ in spans(engine, text)] == ["PHONE_NUMBER"]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "IP 1.2.3.4",
            "from 1.2.3.4 port 22",
            "ip=1.2.3.4",
            "src=10.0.0.5",
            "host: 10.0.0.5",
            "10.0.0.5",
            "to/10.0.0.5",
        ),
        *(
            "Version 2, IP: 1.2.3.4",
            "We sent the release to 10.0.0.5",
            "release 5 came from 10.0.0.5",
            "ping 10.0.0.5.",
        ),
        *(
            "http://10.0.0.5/x",
            "the update from 10.0.0.5",
            "IP 10.0.0.5.443 > host",
            "10.0.0.5, 10:31",
            "[10.0.0.5]:22",
        ),
    ],
)
def test_what_is_called_an_address_stays(engine, text):
    assert [entity_type for entity_type, _ in spans(engine, text)] == ["IP_ADDRESS"]


@pytest.mark.parametrize("text", [f"card {CARD}", f"visa: {CARD}", "order 4111 1111 1111 1111", CARD])
def test_what_may_be_a_card_stays(engine, text):
    assert [entity_type for entity_type, _ in spans(engine, text)] == ["CREDIT_CARD"]


@pytest.mark.parametrize("sign", [";", "\t", "|", ","])
def test_a_column_says_what_its_numbers_are(engine, sign):
    rows = [
        ("name", "order_id", "phone", "version", "last ip", "created"),
        *(("Nora", PHONE, "4155550140") for _ in "ab"),
    ]
    rows[1:] = [(*row, "1.2.3.4", "1.2.3.5", "1714557600") for row in rows[1:]]
    text = "\n".join(map(sign.join, rows))
    assert spans(engine, text) == [("PHONE_NUMBER", "4155550140"), ("IP_ADDRESS", "1.2.3.5")] * 2


def test_an_order_is_no_bank_account_and_an_account_is(bank_engine):
    assert spans(bank_engine, "order 41555501391234") == []
    assert spans(bank_engine, "account 41555501391234") == [("US_BANK_NUMBER", "41555501391234")]
