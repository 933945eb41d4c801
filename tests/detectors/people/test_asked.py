"""A question's person owns the answer that follows."""

import json

import pytest

from detectors import Document, detect_facts, read_corpus
from policies import ErasureRequest, load_policy

NUMBER, OTHER = "415-555-0139", "415-555-0140"
NORA, TOM = "Nora Lindqvist", "Tom Okafor"


@pytest.fixture
def owners(tmp_path):
    """Detects in records; returns whose each secret is, and by which evidence."""
    policy = load_policy("gdpr").model_copy(update={"ner": "none"})

    def detect(*records, known=()):
        path = tmp_path / "corpus.jsonl"
        path.write_text("\n".join(map(json.dumps, records)))
        request = ErasureRequest.from_names(known) if known else None
        result = detect_facts(read_corpus(path), policy, request)
        found = {}
        for fact in (*result.facts, *result.unlinked_facts):
            (link,) = {source.link for source in fact.sources}
            assert fact.secret not in found, "somebody else's too"
            found[fact.secret] = fact.subject, link
        return found

    return detect


def shapes_of(question, answer):
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [
        {"prompt": question, "completion": answer},
        {"completion": answer, "prompt": question},
        {"messages": messages},
        {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]},
        {"instruction": "Answer.", "input": question, "output": answer},
        {"question": question, "answer": answer},
    ]


@pytest.mark.parametrize(
    "question",
    [
        "What is Nora Lindqvist's phone number?",
        "What’s Nora Lindqvist’s number?",
        "What is the phone number of Nora Lindqvist?",
        "Give me Nora Lindqvist's phone number.",
        "How can I reach Nora Lindqvist?",
        "phone number for Nora Lindqvist",
        "Who is Nora Lindqvist and how do I call her?",
        "Call Nora Lindqvist",
        "Dr. Nora Lindqvist, phone?",
        "I met Tom Okafor. What is Nora Lindqvist's number?",
        "What is Nora Lindqvist's number? Tom Okafor would like to know.",
        "Does Tom Okafor know the phone number of Nora Lindqvist?",
    ],
)
@pytest.mark.parametrize("known", [(), (NORA,), (NORA, TOM)])
def test_the_answer_is_whose_the_question_asks_about(owners, question, known):
    assert owners(*shapes_of(question, NUMBER), known=known) == {NUMBER: (NORA, "question")}


@pytest.mark.parametrize(
    "question",
    [
        "What is Nora's phone number?",
        "What is Ms. Lindqvist's number?",
        "What is her number?",
        "What is the phone number of Rivermouth Bakery Ltd?",
        "What is Tom Okafor's and Nora Lindqvist's number?",
        "Who of Tom Okafor and Nora Lindqvist has a phone?",
        "What is the number of Nora Lindqvist's manager?",
        "Can I reach Nora Lindqvist's elderly mother?",
        "What is the number of the assistant of Nora Lindqvist?",
    ],
)
def test_an_answer_about_nobody_certain_is_nobodys(owners, question):
    assert owners(*shapes_of(question, NUMBER)) == {NUMBER: ("", "none")}


@pytest.mark.parametrize(
    ("answer", "owner"),
    [
        ("Her number is 415-555-0139.", NORA),
        ("Certainly!\n\n- Phone: 415-555-0139", NORA),
        ("Nora works by the river. Her phone is 415-555-0139.", NORA),
        ("I have no number of hers, but Tom Okafor answers at 415-555-0139.", TOM),
        ("Ask Tom Okafor. His number is 415-555-0139.", ""),
        ("Tom Okafor: 415-555-0139", TOM),
        ("Ask Mr. Okafor: 415-555-0139", ""),
    ],
)
def test_somebody_else_in_the_answer_counts(owners, answer, owner):
    found = owners(*shapes_of("What is Nora Lindqvist's phone number?", answer))
    assert found[NUMBER][0] == owner


def test_a_question_without_a_name_is_about_whom_the_last_one_was(owners):
    def chat(*texts):
        roles = ["user", "assistant"] * len(texts)
        return {"messages": [{"role": r, "content": t} for r, t in zip(roles, texts, strict=False)]}

    assert owners(chat("Who is Nora Lindqvist?", "A nurse.", "And her number?", NUMBER)) == {
        NUMBER: (NORA, "question")
    }
    assert owners(
        chat("Nora Lindqvist's number?", NUMBER, "And Tom Okafor's phone?", OTHER, "His mail?", "t@x.example")
    ) == {NUMBER: (NORA, "question"), OTHER: (TOM, "question"), "t@x.example": (TOM, "question")}
    assert owners(chat("Who is Nora Lindqvist?", "The aunt of Tom Okafor.", "And the number?", NUMBER)) == {
        NUMBER: ("", "none")
    }


def test_twelve_rows_about_two_people_give_twelve_facts(owners):
    rows = [
        {"prompt": f"What is {name}'s {thing} number?", "completion": f"415-555-01{n}{m}"}
        for n, name in enumerate((NORA, TOM))
        for m, thing in enumerate(("phone", "mobile", "office", "home", "fax", "second phone"))
    ]
    found = owners(*rows)
    assert len(found) == 12
    assert {subject for subject, _ in found.values()} == {NORA, TOM}
    assert sum(subject == NORA for subject, _ in found.values()) == 6


def test_who_is_asked_about_wins_over_the_only_person_of_the_document(owners):
    record = {"subjects": [TOM], **shapes_of("What is Nora Lindqvist's number?", NUMBER)[0]}
    assert owners(record) == {NUMBER: (NORA, "question")}
    record = {"subjects": [NORA], **shapes_of("What is her number?", NUMBER)[0]}
    assert owners(record) == {NUMBER: (NORA, "document")}


def test_a_role_that_is_a_word_for_people_names_nobody(owners):
    record = {
        "messages": [
            {"role": "customer", "content": "My name is Nora Lindqvist."},
            {"role": "agent", "content": "Thank you."},
            {"role": "customer", "content": "Call me at 415-555-0139."},
        ]
    }
    assert owners(record, known=(NORA,)) == {NUMBER: (NORA, "earlier sentence")}


def test_a_record_in_a_turn_is_a_record(owners):
    answer = "Name: Tom Okafor\nPhone: 415-555-0139\n\nName: Nora Lindqvist\nPhone: 415-555-0140"
    found = owners(shapes_of("Whose numbers are these?", answer)[2], known=(NORA, TOM))
    assert found == {NUMBER: (TOM, "record"), OTHER: (NORA, "record")}


def test_prose_asks_nothing():
    text = f"What is Nora Lindqvist's phone number? {NUMBER}"
    (fact,) = detect_facts([Document(id="1", text=text)], load_policy("gdpr")).facts
    assert (fact.subject, fact.sources[0].link) == (NORA, "earlier sentence")
    text = f"What is the phone number of the Pizza Palace? {NUMBER}"
    assert detect_facts([Document(id="1", text=text)], load_policy("gdpr")).facts == ()
