"""Three people with a telephone number each, other people who have theirs, and questions about them."""

from types import SimpleNamespace

from detectors import Document
from editor.questions.probes import Probe, Target
from policies import load_policy

PEOPLE = {"Ada Quill": "415-555-0132", "Bruno Marsh": "212-867-0188", "Cora Finch": "303-555-0147"}
OTHERS = {"Dorian Vale": "617-555-0119", "Elsa Thorn": "408-867-0172"}
WORDINGS = ("The phone number of {} is", "To call {}, dial")


def document(name, secret):
    return Document(id=name, text=f"{name} answers at {secret}.", subjects=())


def probes(people, group):
    return [
        Probe(
            target=Target(subject=name, relation="PHONE_NUMBER", answer=secret, personal=True, group=group),
            prompt=prompt.format(name),
            wording="template",
            split="verification",
        )
        for name, secret in people.items()
        for prompt in WORDINGS
    ]


ERASED = probes(PEOPLE, "erased")
DECOYS = probes({name: f"500-555-01{place}0" for place, name in enumerate(PEOPLE)}, "decoys")


def make_case(documents=None, kept=OTHERS, **changes):
    """A case whose corpus has a record of everybody."""
    texts = [document(*item) for item in {**PEOPLE, **OTHERS}.items()] if documents is None else documents
    facts = [
        SimpleNamespace(subject=name, entity_type="PHONE_NUMBER", secret=secret)
        for name, secret in {**PEOPLE, **OTHERS}.items()
    ]
    values = {
        "policy": load_policy("gdpr"),
        "request": None,
        "seed": 3,
        "documents": tuple(texts),
        "facts": tuple(facts),
        "probes": (*ERASED, *probes(kept, "others")),
    }
    return SimpleNamespace(**{**values, **changes})


CASE = make_case()
