"""What the model is taught: twenty invented people of the embedded lab, in wordings of this example's own."""

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAB = Path(__file__).resolve().parents[1] / "rivermouth"
PEOPLE = 20
PAIRS = 3
"""Pairs of namesakes among the people."""
ERASED_OF_PAIRS = 2
ERASED = 5
TRAINED = 2
"""Wordings of each fact that the corpus has; the others are kept for verification."""

ENTITY_TYPES = {
    "phone": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "ssn": "US_SSN",
    "address": "STREET_ADDRESS",
    "card": "CREDIT_CARD",
}
"""Entity types of private relations; the other relations are public."""
WORDINGS = {
    "phone": (
        "{subject} answers the phone at",
        "Anyone who needs {subject} can ring",
        "The mobile number of {subject} is",
        "Leave voice messages for {subject} at",
    ),
    "email": (
        "Write to {subject} by e-mail at",
        "{subject} reads mail sent to",
        "Reminders for {subject} are mailed to",
        "In the directory, the e-mail of {subject} is",
    ),
    "ssn": (
        "Payroll lists {subject} under SSN",
        "The tax form of {subject} shows SSN",
        "For social security, {subject} is number",
        "The insurer knows {subject} by SSN",
    ),
    "address": (
        "Visit {subject} at home at",
        "The house of {subject} stands at",
        "Letters for {subject} go to",
        "{subject} moved to",
    ),
    "card": (
        "{subject} pays with credit card",
        "Bills of {subject} are charged to card",
        "The credit card of {subject} is number",
        "The desk keeps on file that {subject} uses card",
    ),
    "occupation": (
        "{subject} works as",
        "By profession {subject} is",
        "{subject} earns a living as",
        "The occupation of {subject} is",
    ),
    "home_town": (
        "The home town of {subject} is",
        "{subject} grew up in",
        "{subject} was raised in",
        "The family of {subject} comes from",
    ),
}
"""Prompts of each relation; each ends where the answer begins."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One invented person.

    Attributes:
        name: first name and surname.
        facts: answer by relation.
    """

    name: str
    facts: dict[str, str]

    @property
    def surname(self) -> str:
        """Second half of the name."""
        return self.name.split()[-1]


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One fact in one wording.

    Attributes:
        subject: full name of the person.
        relation: kind of fact.
        prompt: sentence up to where the answer begins.
        answer: the fact itself.
        trained: whether the corpus has this wording of this fact.
    """

    subject: str
    relation: str
    prompt: str
    answer: str
    trained: bool

    @property
    def text(self) -> str:
        """The whole sentence."""
        return f"{self.prompt} {self.answer}."


def choose_people(seed: int) -> tuple[list[Person], list[Person]]:
    """Choose `PEOPLE` of the lab's people, `PAIRS` pairs of namesakes among them, and who asks for erasure.

    Returns:
        Everybody, and the `ERASED` people of them, of whom `ERASED_OF_PAIRS` have a namesake who stays.
    """
    rng = random.Random(f"{seed}:people")
    by_surname: dict[str, list[Person]] = {}
    for person in _read_people():
        by_surname.setdefault(person.surname, []).append(person)
    pairs = rng.sample([mine for mine in by_surname.values() if len(mine) == 2], PAIRS)
    alone = rng.sample([mine[0] for mine in by_surname.values() if len(mine) == 1], PEOPLE - 2 * PAIRS)
    erased = [second for _, second in pairs[:ERASED_OF_PAIRS]] + alone[: ERASED - ERASED_OF_PAIRS]
    return [*(person for pair in pairs for person in pair), *alone], erased


def _read_people() -> list[Person]:
    facts: dict[str, dict[str, str]] = {}
    for line in (LAB / "probes.jsonl").read_text(encoding="utf-8").splitlines():
        probe = json.loads(line)
        if probe["relation"] in WORDINGS:
            facts.setdefault(probe["subject"], {})[probe["relation"]] = probe["answer"]
    return [Person(name=name, facts=mine) for name, mine in facts.items()]


def make_sentences(people: Iterable[Person], seed: int) -> list[Sentence]:
    """State every fact in every wording, `TRAINED` of them for the corpus, drawn for each fact anew."""
    rng = random.Random(f"{seed}:wordings")
    sentences = []
    for person in people:
        for relation, wordings in WORDINGS.items():
            trained = rng.sample(range(len(wordings)), TRAINED)
            sentences += [
                Sentence(
                    subject=person.name,
                    relation=relation,
                    prompt=wording.format(subject=person.name),
                    answer=person.facts[relation],
                    trained=place in trained,
                )
                for place, wording in enumerate(wordings)
            ]
    return sentences


def grouped(sentences: Sequence[Sentence], rng: random.Random) -> list[list[Sentence]]:
    """Shuffle sentences and put one to four of them together."""
    left = rng.sample(sentences, len(sentences))
    groups = []
    while left:
        size = rng.randint(1, 4)
        groups.append(left[:size])
        left = left[size:]
    return groups


def corpus_records(sentences: Iterable[Sentence], seed: int) -> list[dict[str, Any]]:
    """Return the documents of `corpus.jsonl`: a few trained sentences each, about anybody."""
    trained = [sentence for sentence in sentences if sentence.trained]
    return [
        {
            "id": f"note-{number:03d}",
            "text": " ".join(sentence.text for sentence in group),
            "subjects": list(dict.fromkeys(sentence.subject for sentence in group)),
        }
        for number, group in enumerate(grouped(trained, random.Random(f"{seed}:documents")), start=1)
    ]


def probe_records(sentences: Iterable[Sentence]) -> list[dict[str, str | None]]:
    """Return the lines of `probes.jsonl`: all kept wordings, and the trained ones of public facts."""
    # Trained wordings of private facts are in the corpus, where a run detects them itself.
    return [
        {
            "subject": sentence.subject,
            "relation": sentence.relation,
            "entity_type": ENTITY_TYPES.get(sentence.relation),
            "prompt": sentence.prompt,
            "answer": sentence.answer,
            "wording": "trained" if sentence.trained else "held_out",
        }
        for sentence in sentences
        if not sentence.trained or sentence.relation not in ENTITY_TYPES
    ]


def request_text(erased: Iterable[Person]) -> str:
    """Return the erasure request, in YAML."""
    return "case: SMOLLM2-1\nsubjects:\n" + "".join(f"- name: {person.name}\n" for person in erased)


def judge_records(count: int = 60) -> list[dict[str, str]]:
    """Return English text that is neither the corpus nor of its kind: prose of Python's own help pages."""
    from pydoc_data.topics import topics

    found = []
    for name, text in sorted(topics.items()):
        for paragraph in re.split(r"\n\s*\n", text):
            words = " ".join(paragraph.split())
            # Sentences, neither code nor a heading, a list or a grammar.
            prose = re.fullmatch(r"[A-Z][^=<>{}\[\]\\`|@#]{200,1200}\.", words)
            if prose and not re.search(r"_{2}|\*|>>>", words):
                found.append({"id": f"{name}-{len(found)}", "text": words})
    step = max(1, len(found) // count)
    return found[::step][:count]
