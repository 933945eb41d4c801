"""Decoys look like the secrets and are none of them."""

import re

from editor.questions.decoys import DecoyMaker, passes_luhn

CARDS = ["4539 5787 6362 1486", "4556 7375 8689 9855", "4916 1284 5071 3395", "4024 0071 4093 2715"]
MAILS = [
    "heron.slate41@rivermouth.example",
    "maple.quartz87@lowtide.example",
    "amber.wren12@rivermouth.example",
]


def test_decoys_keep_format_and_checksum_and_are_new():
    maker = DecoyMaker({"CREDIT_CARD": CARDS, "EMAIL_ADDRESS": MAILS}, seed=3)
    cards = maker.make("CREDIT_CARD", CARDS[0], 20)
    assert len(set(cards)) == 20
    assert all(re.fullmatch(r"\d{4} \d{4} \d{4} \d{4}", card) and passes_luhn(card) for card in cards)
    assert not set(cards) & set(CARDS)
    mails = maker.make("EMAIL_ADDRESS", MAILS[0], 20)
    words = {part for mail in MAILS for part in re.findall(r"[a-z]+", mail)}
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\d\d@[a-z]+\.example", mail) for mail in mails)
    assert {part for mail in mails for part in re.findall(r"[a-z]+", mail)} <= words
    assert not set(mails) & set(MAILS)


def test_decoys_depend_on_the_seed_alone():
    secrets = {"CREDIT_CARD": CARDS}
    first = DecoyMaker(secrets, seed=1).make("CREDIT_CARD", CARDS[0], 5)
    assert first == DecoyMaker(secrets, seed=1).make("CREDIT_CARD", CARDS[0], 5)
    assert first != DecoyMaker(secrets, seed=2).make("CREDIT_CARD", CARDS[0], 5)


def test_a_format_without_freedom_gives_few_decoys():
    assert DecoyMaker({"WORD": ["alpha"]}, seed=0).make("WORD", "alpha", 5) == ()


def test_luhn():
    assert passes_luhn("4539 5787 6362 1486")
    assert not passes_luhn("4539 5787 6362 1487")
    assert not passes_luhn("415-555-0132")


def test_a_prefix_that_all_secrets_share_stays():
    phones = [f"{area}-555-01{last}" for area, last in (("415", 32), ("212", 88), ("303", 47), ("650", 61))]
    decoys = DecoyMaker({"PHONE_NUMBER": phones}, seed=0).make("PHONE_NUMBER", phones[0], 20)
    assert all(re.fullmatch(r"\d{3}-555-01\d\d", decoy) for decoy in decoys)
