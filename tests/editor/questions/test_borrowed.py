"""Questions in other people's words."""

from editor.questions.borrowed import borrowed
from editor.questions.probes import Probe, Target


def asked(subject, prompt, relation="PHONE_NUMBER", wording="trained"):
    target = Target(subject=subject, relation=relation, answer=f"of {subject}", personal=True, group="others")
    return Probe(target=target, prompt=prompt, wording=wording, split="locating")


def test_a_fact_is_asked_for_in_the_words_of_others():
    probes = [asked("Ada Quill", "To call Ada Quill, dial"), asked("Bo Reed", "Bo Reed answers at")]
    made = borrowed(probes, 3, seed=0)
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
    made = borrowed(probes, 3, seed=0)
    assert {(probe.target.subject, probe.prompt) for probe in made} == {
        ("Ada Quill", "Ada Quill answers at"),
        ("Cy Hart", "Cy Hart answers at"),
    }


def test_no_more_than_asked_for_and_the_same_by_the_same_seed():
    probes = [asked(f"P{n} Q", f"P{n} Q in wording {n}") for n in range(9)]
    made = [borrowed(probes, 2, seed) for seed in (1, 1, 2)]
    assert len(made[0]) == 18
    assert made[0] == made[1] != made[2]
