"""Six people, a policy for their telephone numbers, and a facts file with these."""

from detectors import Fact, Source, write_facts

PEOPLE = ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn", "Felix Reed")
POLICY = """
name: test
entities:
  PHONE_NUMBER:
    templates: ["The phone number of {subject} is"]
"""


def write_case(folder):
    """Write policy.yaml and facts.jsonl into a folder, and return it."""
    (folder / "policy.yaml").write_text(POLICY)
    facts = []
    for number, name in enumerate(PEOPLE, start=10):
        prefix = f"The phone number of {name} is "
        source = Source(document=name, start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix)
        secret = f"415-555-01{number}"
        facts.append(Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,)))
    write_facts(folder / "facts.jsonl", facts)
    return folder
