"""Probes as running text and in a chat template, and secrets in other spellings."""

from dataclasses import replace

import pytest

from detectors.fact import secret_key
from editor.questions.asking import ASK, encode_probes
from editor.questions.probes import Probe, Target, widened
from editor.questions.spellings import respell, spellings
from policies.errors import ModelError

TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}</{{ turn.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}hello"


def probe(wording, spelling="as found"):
    target = Target(
        subject="Ada Quill", relation="PHONE_NUMBER", answer="415-555-0132", personal=True, group="erased"
    )
    prompt = "The phone number of Ada Quill is"
    return Probe(target=target, prompt=prompt, wording=wording, split="locating", spelling=spelling)


def text_of(loaded, sequence):
    return loaded.tokenizer.decode(sequence.ids)


def chatting(loaded, template, **changes):
    from copy import deepcopy

    tokenizer = deepcopy(loaded.tokenizer)
    tokenizer.chat_template = template
    return replace(loaded, tokenizer=tokenizer, chat=True, **changes)


def test_a_chat_model_is_asked_as_a_user_asks_and_documents_stay_text(loaded):
    model = chatting(loaded("llama"), TEMPLATE, system_prompt="Be brief.")
    spoken, document = encode_probes(model, [probe("template"), probe("trained")])
    prompt = "The phone number of Ada Quill is"
    conversation = f"<system>Be brief.</system><user>{ASK.format(prompt=prompt)}</user><assistant>{prompt}"
    plain = loaded("llama").tokenizer
    expected = plain(f"{conversation} 415-555-0132", add_special_tokens=False)["input_ids"]
    assert list(spoken.ids) == expected[-96:]
    assert (spoken.index, document.index) == (0, 1)
    assert list(document.ids) == plain(f"{prompt} 415-555-0132")["input_ids"]
    answers = [[i for i, m in zip(s.ids, s.marked, strict=True) if m] for s in (spoken, document)]
    assert answers[0] == answers[1]


def test_a_template_that_refuses_the_system_prompt_is_named(loaded):
    model = chatting(loaded("llama"), NO_SYSTEM, system_prompt="Be brief.")
    with pytest.raises(ModelError, match="--system-prompt"):
        encode_probes(model, [probe("template")])


@pytest.mark.parametrize(
    ("secret", "spelling", "expected"),
    [
        ("415-555-0132", "digits alone", "4155550132"),
        ("(415) 555-0132", "with dots", "415.555.0132"),
        ("4111 1111 1111 1111", "with dashes", "4111-1111-1111-1111"),
        ("ada@quill.example", "upper case", "ADA@QUILL.EXAMPLE"),
        ("48 Alder Lane", "digits alone", "48 Alder Lane"),
        ("48 Alder Lane", "lower case", "48 alder lane"),
        ("ada@quill.example", "percent escape", "ada%40quill.example"),
        ("+1 415-555-0132", "percent escape", "%2B1 415-555-0132"),
        ("415-555-0132", "percent escape", "415-555-0132"),
        ("ada_m_quill@x.example", "Markdown escape", r"ada\_m\_quill@x.example"),
        ("ada@quill.example", "Markdown escape", "ada@quill.example"),
        ("ada@quill.example", "fullwidth", "ada＠quill.example"),
        ("415-555-0132", "fullwidth", "415-555-0132"),
    ],
)
def test_respell(secret, spelling, expected):
    assert respell(secret, spelling) == expected


def test_every_other_spelling_is_there_once():
    found = spellings("415-555-0132")
    assert set(found) == {"digits alone", "with spaces", "with dots"}
    assert spellings("ADA@QUILL.EXAMPLE") == {
        "lower case": "ada@quill.example",
        "percent escape": "ADA%40QUILL.EXAMPLE",
        "fullwidth": "ADA＠QUILL.EXAMPLE",
    }
    assert spellings("0132") == {}


@pytest.mark.parametrize("secret", ["ada_quill@x.example", "+1 415-555-0132", "ADA@QUILL.EXAMPLE"])
def test_an_escaped_spelling_is_the_same_secret_for_detection(secret):
    written = [respell(secret, spelling) for spelling in ("percent escape", "Markdown escape", "fullwidth")]
    assert {secret_key("T", spelled) for spelled in written} == {secret_key("T", secret)}


def test_a_spelled_probe_answers_in_its_spelling():
    assert probe("spelling", "digits alone").answer == "4155550132"
    found = widened([probe("template")])
    assert {one.answer for one in found} == {"4155550132", "415 555 0132", "415.555.0132"}
