"""Chance levels: what format and other people's secrets give away."""

import math

import pytest
import torch

from editor.questions.asking import encode_probes
from editor.questions.chance import chance_levels
from editor.questions.probes import Probe, Target
from editor.questions.secret_format import SecretFormat

PHONES = ["415-555-0132", "212-555-0188", "303-555-0147", "650-555-0161"]
MAILS = ["heron.slate41@lowtide.example", "maple.quartz87@lowtide.example", "heron.wren12@lowtide.example"]
KNOWN = SecretFormat({"PHONE_NUMBER": PHONES, "EMAIL_ADDRESS": MAILS})


def probe(prompt, answer=PHONES[0], relation="PHONE_NUMBER"):
    target = Target(subject="Ada Quill", relation=relation, answer=answer, personal=True, group="erased")
    return Probe(target=target, prompt=prompt, wording="trained", split="locating")


def test_shares_are_those_of_the_other_secrets():
    shares = KNOWN.shares("PHONE_NUMBER", PHONES[0])
    assert shares[3] == shares[7] == 1.0  # dashes
    assert shares[4:7] == pytest.approx([(3 + 0.2) / (3 + 2)] * 3)  # 555: all three others have it
    assert shares[0] == pytest.approx(0.2 / 5)  # 4: none of the others has it there
    assert shares[10] == pytest.approx(0.2 / 5)


def test_a_words_share_stands_at_its_first_character():
    shares = KNOWN.shares("EMAIL_ADDRESS", MAILS[0])
    assert shares[0] == pytest.approx((1 + 0.02) / (2 + 2))
    assert shares[1:5] == [1.0] * 4
    assert shares[6] == pytest.approx(0.01)  # slate is nobody else's


def test_a_secret_alone_of_its_kind_is_judged_by_uniform_digits():
    assert SecretFormat({"PIN": ["4711"]}).shares("PIN", "4711") == pytest.approx([0.1] * 4)
    assert SecretFormat({}).shares("PIN", "4711") == pytest.approx([0.1] * 4)


def test_levels_follow_the_tokens(loaded):
    model = loaded("gpt2")
    probes = [probe("The phone of Ada Quill is"), probe("Write to Ada Quill at", MAILS[0], "EMAIL_ADDRESS")]
    levels = chance_levels(model, probes, KNOWN)
    for sequence, level, asked in zip(encode_probes(model, probes), levels, probes, strict=True):
        assert len(level) == sum(sequence.marked)
        shares = KNOWN.shares(asked.target.relation, asked.target.answer)
        assert float(level.sum()) == pytest.approx(sum(map(math.log, shares)), rel=1e-5)
        assert bool((level <= 0).all())
        assert bool(torch.isfinite(level).all())
