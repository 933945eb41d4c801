"""Probes of a corpus's sentences: whole, begun later, and without a name; who may look at which."""

from detectors import Fact, Source
from editor.questions.probes import build_probes, widened
from policies import ErasureRequest, Policy

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
