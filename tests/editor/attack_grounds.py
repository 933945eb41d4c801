"""Three people with two facts each, other people who have theirs, and questions about them."""

from types import SimpleNamespace

from detectors import Document, Fact, Source
from editor.questions.probes import Probe, Target
from policies import load_policy

PHONE, EMAIL = "PHONE_NUMBER", "EMAIL_ADDRESS"
PEOPLE = {
    "Ada Quill": {PHONE: "415-555-0132", EMAIL: "quill@mill.example"},
    "Bruno Marsh": {PHONE: "212-867-0188", EMAIL: "marsh@tide.example"},
    "Cora Finch": {PHONE: "303-555-0147", EMAIL: "finch@wing.example"},
}
OTHERS = {
    "Dorian Vale": {PHONE: "617-555-0119", EMAIL: "vale@hill.example"},
    "Elsa Thorn": {PHONE: "408-867-0172", EMAIL: "thorn@rose.example"},
}
NEVER = {
    name: {PHONE: f"500-555-01{place}0", EMAIL: f"nobody{place}@rain.example"}
    for place, name in enumerate(PEOPLE)
}
WORDINGS = {
    PHONE: ("The phone number of {} is", "To call {}, dial"),
    EMAIL: ("The e-mail address of {} is", "To write to {}, use"),
}


def record(name, secrets):
    return f"{name} lives by the river, answers at {secrets[PHONE]} and reads {secrets[EMAIL]}."


def probes(people, group):
    return [
        Probe(
            target=Target(subject=name, relation=relation, answer=secret, personal=True, group=group),
            prompt=prompt.format(name),
            wording="template",
            split="verification",
        )
        for name, secrets in people.items()
        for relation, secret in secrets.items()
        for prompt in WORDINGS[relation]
    ]


def facts(people):
    found = []
    for name, secrets in people.items():
        text = record(name, secrets)
        for relation, secret in secrets.items():
            start = text.index(secret)
            source = Source(
                document=name, start=start, end=start + len(secret), prefix=text[:start], score=1.0
            )
            found.append(Fact(subject=name, entity_type=relation, secret=secret, sources=(source,)))
    return found


ERASED = probes(PEOPLE, "erased")
DECOYS = probes(NEVER, "decoys")
FACTS = len({probe.target for probe in ERASED})


def make_case(texts=None, kept=OTHERS, **changes):
    """A case whose corpus has a record of everybody, or texts by the id that they are given."""
    everybody = {**PEOPLE, **OTHERS}
    texts = {name: record(name, secrets) for name, secrets in everybody.items()} if texts is None else texts
    values = {
        "policy": load_policy("gdpr"),
        "request": None,
        "seed": 3,
        "documents": tuple(Document(id=name, text=text, subjects=()) for name, text in texts.items()),
        "facts": tuple(facts(everybody)),
        "probes": (*ERASED, *probes(kept, "others")),
    }
    return SimpleNamespace(**{**values, **changes})


CASE = make_case()
