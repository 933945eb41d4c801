"""Probes as running text and in a chat template, and secrets in other spellings."""

from dataclasses import replace

import pytest

from detectors.conversation import Utterance, write_turns
from detectors.fact import secret_key
from editor.questions.asking import ASK, ask, encode_probes, name_ends
from editor.questions.chance import chance_levels
from editor.questions.probes import Probe, Target, widened
from editor.questions.secret_format import SecretFormat
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


@pytest.mark.parametrize(
    "question", ["What is Ada Quill's phone number?", "¿Y el teléfono de Ada Quill?  ", "电话是多少？"]
)
def test_a_question_is_put_as_it_is_and_its_answer_not_begun(loaded, question):
    model = chatting(loaded("llama"), TEMPLATE)
    text, framed = ask(model, replace(probe("template"), prompt=question))
    assert (text, framed) == (f"<user>{question}</user><assistant>", True)
    plain = question if question.endswith(" ") else f"{question} "
    assert ask(loaded("llama"), replace(probe("template"), prompt=question)) == (plain, False)


HELD = (Utterance("system", "Be kind."), Utterance("user", "Where do I call Ada Quill?"))


@pytest.mark.parametrize(
    ("turns", "framed", "plain"),
    [
        (HELD[1:], "<user>Where do I call Ada Quill?</user><assistant>", "Where do I call Ada Quill?\n"),
        (
            (*HELD, Utterance("assistant", "Her number is")),
            "<system>Be kind.</system><user>Where do I call Ada Quill?</user><assistant>Her number is ",
            "Be kind.\nWhere do I call Ada Quill?\nHer number is ",
        ),
        (
            (
                *HELD[1:],
                Utterance("assistant", "Which one?"),
                Utterance("user", "The first."),
                Utterance("assistant", "Try"),
            ),
            "<user>Where do I call Ada Quill?</user><assistant>Which one?</assistant>"
            "<user>The first.</user><assistant>Try ",
            "Where do I call Ada Quill?\nWhich one?\nThe first.\nTry ",
        ),
    ],
)
@pytest.mark.parametrize("wording", ["trained", "held_out"])
def test_a_conversation_is_asked_as_it_was_held(loaded, turns, framed, plain, wording):
    asked = replace(probe(wording), prompt=write_turns(turns))
    assert ask(chatting(loaded("llama"), TEMPLATE), asked) == (framed, True)
    assert ask(loaded("llama"), asked) == (plain, False)


def test_a_conversation_s_own_system_prompt_is_not_given_twice(loaded):
    model = chatting(loaded("llama"), TEMPLATE, system_prompt="Be brief.")
    assert ask(model, replace(probe("trained"), prompt=write_turns(HELD)))[0].count("<system>") == 1
    assert "Be brief." in ask(model, replace(probe("trained"), prompt=write_turns(HELD[1:])))[0]


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


@pytest.mark.parametrize(
    "prompt",
    [
        "The phone number of Ada Quill is",
        "Where do I call Ada Quill?",
        write_turns([Utterance("user", "Where do I call Ada Quill?")]),
        write_turns([*HELD, Utterance("assistant", "You reach Ada Quill at")]),
    ],
)
@pytest.mark.parametrize("wording", ["trained", "template"])
def test_chance_and_the_name_s_place_are_of_the_text_that_is_asked(loaded, prompt, wording):
    for model in (loaded("llama"), chatting(loaded("llama"), TEMPLATE)):
        asked = [replace(probe(wording), prompt=prompt)]
        (sequence,) = encode_probes(model, asked)
        (levels,) = chance_levels(model, asked, SecretFormat({"PHONE_NUMBER": ["415-555-0133"]}))
        assert len(levels) == sum(sequence.marked)
        (place,) = name_ends(model, asked, [sequence])
        before = model.tokenizer.decode(sequence.ids[: place + 1])
        assert before.endswith(("Quill", "Quill?")), before
