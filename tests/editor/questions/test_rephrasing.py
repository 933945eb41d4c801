"""Questions in other words."""

import pytest

from detectors.conversation import SAYS, TURN
from editor.questions.probes import Probe, Target
from editor.questions.rephrasing import corpus_wordings, plain_wordings, rephrased
from policies import load_policy


def asked(subject, prompt, relation="PHONE_NUMBER", wording="trained"):
    target = Target(subject=subject, relation=relation, answer=f"of {subject}", personal=True, group="others")
    return Probe(target=target, prompt=prompt, wording=wording, split="locating")


def test_a_fact_is_asked_for_in_the_words_of_others():
    probes = [asked("Ada Quill", "To call Ada Quill, dial"), asked("Bo Reed", "Bo Reed answers at")]
    made = rephrased(probes, corpus_wordings(probes), 3, seed=0)
    assert [(probe.target.subject, probe.prompt) for probe in made] == [
        ("Ada Quill", "Ada Quill answers at"),
        ("Bo Reed", "To call Bo Reed, dial"),
    ]
    assert all(probe.split == "locating" for probe in made)


def test_wordings_of_another_relation_of_templates_and_without_one_name_are_not_taken():
    probes = [
        asked("Ada Quill", "Ada Quill lives at", relation="STREET_ADDRESS"),
        asked("Ada Quill", "The phone number of Ada Quill is", wording="template"),
        asked("Cy Hart", "Call"),
        asked("Cy Hart", "Cy Hart, yes Cy Hart, has"),
        asked("Cy Hart", "Cy Hart " + "long " * 60),
        asked("", "Somebody answers at"),
        asked("Bo Reed", "Bo Reed answers at"),
    ]
    made = rephrased(probes, corpus_wordings(probes), 3, seed=0)
    assert {(probe.target.subject, probe.prompt) for probe in made} == {
        ("Ada Quill", "Ada Quill answers at"),
        ("Cy Hart", "Cy Hart answers at"),
    }


def test_a_stranger_is_asked_about_by_the_name_that_the_text_gives():
    target = Target(
        subject="", relation="PHONE_NUMBER", answer="1", personal=True, group="others", stranger="Cy Hart"
    )
    stranger = Probe(target=target, prompt="Dial for Cy Hart:", wording="trained", split="locating")
    probes = [stranger, asked("Ada Quill", "To call Ada Quill, dial")]
    made = rephrased(probes, corpus_wordings(probes), 3, seed=0)
    assert [(probe.target.subject, probe.prompt) for probe in made] == [
        ("", "To call Cy Hart, dial"),
        ("Ada Quill", "Dial for Ada Quill:"),
    ]


def test_wordings_come_from_whatever_probes_are_given_as_their_source():
    ada = asked("Ada Quill", "To call Ada Quill, dial")
    made = rephrased([ada], corpus_wordings([ada, asked("Bo Reed", "Bo Reed answers at")]), 3, seed=0)
    assert [probe.prompt for probe in made] == ["Ada Quill answers at"]


def test_no_more_than_asked_for_and_the_same_by_the_same_seed():
    probes = [asked(f"P{n} Q", f"P{n} Q in wording {n}") for n in range(9)]
    made = [rephrased(probes, corpus_wordings(probes), 2, seed) for seed in (1, 1, 2)]
    assert len(made[0]) == 18
    assert made[0] == made[1] != made[2]


def test_plain_wordings_name_what_is_asked_for_and_whom():
    wordings = plain_wordings(load_policy("gdpr"))
    assert "{subject}, phone number:" in wordings["PHONE_NUMBER"]
    everything = [one for each in wordings.values() for one in each]
    assert all(one.count("{subject}") == 1 and "{relation}" not in one for one in everything)
    (made,) = rephrased(
        [asked("Ada Quill", "Call")], {"PHONE_NUMBER": ["{subject}, phone number:"]}, 2, seed=0
    )
    assert made.prompt == "Ada Quill, phone number:"


def test_plain_wordings_of_another_language_are_the_policys_alone():
    policy = load_policy("gdpr")
    wordings = plain_wordings(policy.model_copy(update={"language": "de"}))
    assert wordings["PHONE_NUMBER"] == list(policy.entities["PHONE_NUMBER"].templates)


@pytest.mark.parametrize(
    ("prompt", "wording"),
    [
        ("Client name: Bo Reed\nOrigin: Dunwick\nSSN: 1\nDay phone:", "Client name: {subject}\nDay phone:"),
        ("A note.\nClient name: Bo Reed\nDay phone:", "Client name: {subject}\nDay phone:"),
        ("Bo Reed is a clerk. She has a dog. Her phone is", "{subject} is a clerk. Her phone is"),
        ("There was tea. To call Bo Reed, dial", "To call {subject}, dial"),
        ("To call Bo Reed, dial", "To call {subject}, dial"),
        (f"{TURN}user{SAYS}Hello. Who is Bo Reed?{TURN}assistant{SAYS}A clerk. Dial", None),
    ],
)
def test_a_corpus_wording_holds_nothing_else_that_is_true_of_its_own_person(prompt, wording):
    (found,) = corpus_wordings([asked("Bo Reed", prompt)])["PHONE_NUMBER"]
    assert found == (wording or prompt.replace("Bo Reed", "{subject}"))


def test_a_long_record_has_a_short_wording():
    prompt = "Name: Bo Reed\n" + "Field: a value\n" * 20 + "Phone:"
    assert corpus_wordings([asked("Bo Reed", prompt)]) == {"PHONE_NUMBER": ["Name: {subject}\nPhone:"]}
