"""Probes of a corpus's sentences: whole, begun later, and without a name; who may look at which."""

import json

import pytest

from detectors import NOBODY, Fact, Source
from detectors.conversation import read_turns
from editor.questions.probes import build_probes, widened
from editor.questions.written import WrittenProbe, read_probes
from policies import ErasureRequest, Policy
from policies.errors import CorpusError

SENTENCES = (
    "The desk of the second floor, which opens at eight, reaches Ada Quill by telephone on ",
    "Whoever has a message that cannot wait for Ada Quill may ring, at any hour, ",
    "Ada Quill answers at ",
)
NAMES = ("Ada Quill", "Bruno Marsh")


def facts():
    for number, name in enumerate(NAMES):
        secret = f"415-555-013{number}"
        prefixes = [text.replace("Ada Quill", name) for text in SENTENCES]
        sources = (
            Source(document=f"d{i}", start=len(p), end=len(p) + len(secret), score=0.9, prefix=p)
            for i, p in enumerate(prefixes)
        )
        yield Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=tuple(sources))


def probes():
    policy = Policy.model_validate({"name": "test", "entities": {"PHONE_NUMBER": {"score": 0.4}}})
    return build_probes(list(facts()), policy, ErasureRequest.from_names(["Ada Quill"]))


def prompts(wording, split):
    return [p.prompt for p in probes() if (p.wording, p.split) == (wording, split)]


def test_shorter_beginnings_hold_the_name_whole():
    shorter = prompts("prefix", "verification") + prompts("prefix", "locating")
    assert "reaches Ada Quill by telephone on" in shorter
    assert "Ada Quill by telephone on" in shorter
    assert "Ada Quill may ring, at any hour," in shorter
    assert all("Ada Quill" in prompt for prompt in shorter)


def test_an_edit_sees_the_shortest_of_all_but_the_first_sentence():
    assert prompts("prefix", "locating") == ["Ada Quill may ring, at any hour,"]
    assert not set(prompts("prefix", "locating")) & set(prompts("prefix", "verification"))


def test_other_people_are_asked_in_whole_sentences_alone():
    assert all(p.target.subject == "Ada Quill" for p in probes() if p.wording == "prefix")
    assert any(p.target.subject == "Bruno Marsh" for p in probes() if p.wording == "trained")


def test_words_that_name_nobody_are_for_verification():
    unnamed = [probe for probe in widened(probes()) if probe.wording == "unnamed"]
    assert [probe.prompt for probe in unnamed] == ["by telephone on", "at any hour,"]
    assert {(probe.target.subject, probe.split) for probe in unnamed} == {("Ada Quill", "verification")}


ADA = ErasureRequest.from_names(["Ada Quill"])
POLICY = Policy.model_validate(
    {"name": "test", "entities": {"PHONE_NUMBER": {"templates": ["The number of {subject} is"]}}}
)


def nobodys(secret, *prefixes):
    sources = (Source(document=p, start=len(p), end=len(p) + 12, score=0.9, prefix=p) for p in prefixes)
    return Fact(subject=NOBODY, entity_type="PHONE_NUMBER", secret=secret, sources=tuple(sources))


def asked_of_nobody(*more, request=ADA, written=(), seed=0):
    found = build_probes([*facts(), *more], POLICY, request, written, seed=seed)
    return [probe for probe in found if probe.target.subject == NOBODY]


def test_facts_about_nobody_are_others_asked_for_in_their_own_words_alone():
    mine = nobodys("415-555-0177", "The desk answers at ", "Ring the desk: ", "The desk answers at ")
    for request in (ADA, None):
        found = asked_of_nobody(mine, request=request)
        assert [(p.prompt, p.wording) for p in found] == [
            ("The desk answers at", "trained"),
            ("Ring the desk:", "trained"),
        ]
        assert {p.target.group for p in found} == {"others"}
        assert not any(p.names_subject for p in found)


def test_a_fact_about_nobody_that_a_requested_person_shares_is_to_go_in_any_spelling():
    (found,) = asked_of_nobody(nobodys("415.555.0130", "Whoever rings "))
    assert found.is_erased
    assert widened([found])
    (kept,) = asked_of_nobody(nobodys("415.555.0131", "Whoever rings "))
    assert kept.target.group == "others"


def test_some_facts_about_nobody_are_for_verification_by_a_seed():
    many = [nobodys(f"415-555-{number:04}", f"Desk {number} answers at ") for number in range(500)]
    held_out = [
        {probe.target.answer for probe in asked_of_nobody(*many, seed=seed) if probe.split == "verification"}
        for seed in (0, 0, 1)
    ]
    assert held_out[0] == held_out[1] != held_out[2]
    assert 60 < len(held_out[0]) < 140


def test_what_verification_asks_somebody_is_not_asked_of_nobody_before():
    """Whoever is not named may be the one who is."""
    line = {"subject": "Cora Finch", "relation": "phone", "answer": "415-555-0177", "wording": "held_out"}
    written = [WrittenProbe(entity_type="PHONE_NUMBER", prompt="Cora Finch answers at", **line)]
    facts = [nobodys(f"415-555-01{n}", f"Desk {n} on ", "Cora Finch answers at ") for n in range(80, 95)]
    found = [p for p in asked_of_nobody(*facts, written=written) if p.split == "locating"]
    assert len(found) > 5
    assert "Cora Finch answers at" not in {p.prompt for p in found}


def test_a_stranger_is_known_by_the_name_that_the_text_gives_and_asked_about_in_its_own_words():
    found = asked_of_nobody(nobodys("415-555-0177", "Cora Finch answers at ", "Ring Cora Finch: "))
    assert [p.wording for p in found] == ["trained", "trained"]
    assert {p.target.name for p in found} == {"Cora Finch"}
    assert "Cora" not in repr(found)


@pytest.mark.parametrize("name", ["Ada Quill", "ADA Quill", "Ada Rose Quill"])
def test_whoever_may_be_a_known_person_is_no_stranger(name):
    """A secret that nothing links to the person who asks is not asked for by that name."""
    found = asked_of_nobody(nobodys("415-555-0177", f"Beside {name}, dial "))
    assert [p.wording for p in found] == ["trained"]


LINE = {
    "subject": "Ada Quill",
    "relation": "phone",
    "entity_type": "PHONE_NUMBER",
    "answer": "415-555-0132",
    "wording": "held_out",
}


def written(tmp_path, **changes):
    path = tmp_path / "probes.jsonl"
    path.write_text(json.dumps(LINE | changes) + "\n", encoding="utf-8")
    return read_probes(path)


def test_a_probes_file_may_hold_conversations(tmp_path):
    messages = [
        {"role": "user", "content": "Where do I call Ada Quill?"},
        {"role": "assistant", "content": "Her number is"},
    ]
    (probe,) = written(tmp_path, messages=messages)
    assert read_turns(probe.prompt) == [(one["role"], one["content"]) for one in messages]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        "Where?",
        [{"role": "user"}],
        [{"role": "owner", "content": "Where?"}],
        [{"role": "user", "content": None}],
        ["Where?"],
    ],
)
def test_a_conversation_that_is_none_is_named_by_its_line(tmp_path, messages):
    with pytest.raises(CorpusError, match=r"Line 1 of .* is not a probe"):
        written(tmp_path, messages=messages)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": 5},
        {"relation": None},
        {"entity_type": ["X"]},
        {"prompt": {"a": 1}},
        {"answer": 5},
        {"answer": "\ud800"},
        {"wording": []},
        {"messages": 5},
        {"messages": [{"role": [], "content": "x"}]},
        {"messages": [None]},
    ],
    ids=str,
)
def test_a_line_of_other_values_is_no_probe(tmp_path, change):
    path = tmp_path / "probes.jsonl"
    whole = {"prompt": "The number is", **LINE}
    path.write_text(json.dumps(whole) + "\n" + json.dumps(whole | change) + "\n")
    with pytest.raises(CorpusError, match=r"Line 2 of .* is not a probe"):
        read_probes(path)


def test_other_ends_of_lines_stand_in_a_probe_and_depth_in_none(tmp_path):
    told = {
        "subject": "Ada",
        "relation": "job",
        "entity_type": None,
        "prompt": "Ada is\u2028a",
        "answer": "cook",
    }
    path = tmp_path / "probes.jsonl"
    path.write_text(json.dumps({**told, "wording": "trained"}, ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert read_probes(path)[0].prompt == "Ada is\u2028a"
    path.write_text("[" * 100_000)
    with pytest.raises(CorpusError, match="Line 1"):
        read_probes(path)
