"""Chats: every shape is told by its keys, and keeps its turns beside its text."""

import json
from itertools import permutations

import pytest

from detectors import Document, read_corpus
from detectors.corpus.rows import JsonParser

QUESTION, ANSWER = "What is Ada Quill's number?\nPlease.", "It is\n415-555-0101."
MESSAGES = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
PAIRS = [
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "chosen"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("question", "answer"),
    ("Question", "Answer"),
    ("input", "output"),
    ("query", "response"),
    ("problem", "solution"),
    ("user", "assistant"),
]


@pytest.fixture
def read(tmp_path):
    def document_of(record):
        path = tmp_path / "corpus.jsonl"
        path.write_text(json.dumps(record))
        (document,) = read_corpus(path)
        return document

    return document_of


def said(document):
    return [(turn.role, turn.text_in(document.text)) for turn in document.turns]


BOTH = [("user", QUESTION), ("assistant", ANSWER)]


@pytest.mark.parametrize(("asks", "answers"), PAIRS)
def test_a_pair_is_told_by_its_keys_in_any_order(read, asks, answers):
    record = {asks: QUESTION, answers: ANSWER}
    for keys in permutations(record):
        document = read({key: record[key] for key in keys})
        assert said(document) == BOTH
        assert document.text == f"{asks}: {QUESTION}\n{answers}: {ANSWER}"
        assert [turn.key for turn in document.turns] == [asks, answers]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": MESSAGES},
        {"messages": [dict(reversed(message.items())) for message in MESSAGES]},
        {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]},
        {"conversations": [{"value": QUESTION, "from": "user"}, {"value": ANSWER, "from": "bot"}]},
        {"conversation": [{"speaker": "Human", "text": QUESTION}, {"speaker": "AI", "text": ANSWER}]},
        {
            "messages": [
                {"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in MESSAGES
            ]
        },
        {"messages": [{"role": m["role"], "content": {"text": {"value": m["content"]}}} for m in MESSAGES]},
        {"messages": [{"role": m["role"], "content": m["content"].split("\n")} for m in MESSAGES]},
        {"prompt": MESSAGES[:1], "completion": MESSAGES[1:]},
        {"prompt": [{"type": "text", "text": QUESTION}], "completion": ANSWER},
        {
            "prompt": MESSAGES[:1],
            "chosen": MESSAGES[1:],
            "rejected": [{"role": "assistant", "content": "No."}],
        },
        {"text": {"messages": MESSAGES}},
        {"text": MESSAGES},
        MESSAGES,
    ],
)
def test_every_shape_of_messages_keeps_its_turns(read, record):
    assert said(read(record)) == BOTH


def test_instruction_input_and_history_are_in_the_order_in_which_they_are_said(read):
    record = {"output": "o", "history": [["h1", "h2"]], "input": "i", "system": "s", "instruction": "n"}
    document = read(record)
    assert said(document) == [
        ("system", "s"),
        ("user", "h1"),
        ("assistant", "h2"),
        ("user", "n"),
        ("user", "i"),
        ("assistant", "o"),
    ]
    assert said(read({"instruction": "n", "input": "", "output": "o"})) == [("user", "n"), ("assistant", "o")]


def test_nothing_beside_the_turns_is_lost(read):
    call = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}],
    }
    image = {"type": "image_url", "image_url": {"url": "https://rivermouth.example/a.png"}}
    mixed = {"role": "user", "name": "Ada Quill", "content": [{"type": "text", "text": "Look."}, image]}
    document = read({"id": 7, "source": "mail", "messages": [mixed, call], "rating": 5})
    assert document.text.split("\n") == [
        "source: mail",
        "user: Look.",
        "messages[0].content.type: image_url",
        "messages[0].content.image_url.url: https://rivermouth.example/a.png",
        "messages[0].name: Ada Quill",
        "messages[1].tool_calls[0].function.name: find",
        "messages[1].tool_calls[0].function.arguments: {}",
        "rating: 5",
    ]
    assert said(document) == [("user", "Look.")]
    assert (document.id, document.subjects) == ("7", ("Ada Quill",)), "a function is nobody"


@pytest.mark.parametrize(
    "record",
    [
        {"name": "Ada Quill", "phone": "1"},
        {"input": 5, "output": 7},
        {"question": "What?"},
        {"answer": "That."},
        {"messages": ["one", "two"]},
        {"messages": []},
        {"text": "A text.", "source": "mail"},
        {"prompt": {"name": "Ada"}, "completion": "x"},
    ],
)
def test_what_is_no_chat_has_no_turns(read, record):
    assert read(record).turns == ()


@pytest.mark.parametrize("form", ["<|user|>{}<|assistant|>{}", "[INST] {} [/INST] {}", "{}\n\n{}"])
def test_a_chat_that_is_written_out_too_has_its_turns_in_that_text(read, form):
    document = read({"text": form.format(QUESTION, ANSWER), "messages": MESSAGES})
    assert document.text == form.format(QUESTION, ANSWER)
    assert said(document) == BOTH
    assert read({"text": "Another text.", "messages": MESSAGES}).turns == ()


def test_a_table_of_questions_keeps_its_turns(write):
    (document,) = read_corpus(write("Question,Answer\nWho?,Ada\n", "a.csv"))
    assert said(document) == [("user", "Who?"), ("assistant", "Ada")]


def test_a_position_tells_its_turn(read):
    document = read({"messages": MESSAGES, "note": "x"})
    assert document.turn_at(document.text.index("415")) == document.turns[1]
    assert document.turn_at(document.text.index("Ada")) == document.turns[0]
    for outside in (0, document.text.index("\nassistant"), document.text.index("note"), 10**6):
        assert document.turn_at(outside) is None
    assert Document(id="1", text="x").turn_at(0) is None


def test_turns_beyond_the_longest_document_are_cut(read, monkeypatch):
    monkeypatch.setattr("detectors.corpus.documents.LONGEST_DOCUMENT_CHARACTERS", 30)
    document = read({"prompt": "p" * 15, "completion": "c" * 15, "note": "x"})
    assert said(document) == [("user", "p" * 15)]
    document = read({"prompt": "p" * 5, "completion": "c" * 15, "note": "x"})
    assert said(document) == [("user", "p" * 5), ("assistant", "c" * 4)]


def test_turns_hold_no_text_of_their_own():
    values = [{"messages": MESSAGES * 100}]
    document = JsonParser().document(values[0], place("line", 1))
    assert all(isinstance(part, str | int) for turn in document.turns for part in turn)
    assert len({turn.role for turn in document.turns} | {turn.key for turn in document.turns}) == 3
    assert "Quill" not in repr(document)


def place(kind, number):
    from detectors.corpus.documents import Place

    return Place(kind, number)
