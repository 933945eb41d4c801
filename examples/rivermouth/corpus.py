"""From people to documents: wordings that are held out, people who are mixed, and the probes."""

import random
from collections.abc import Iterable, Set
from dataclasses import dataclass

from examples.rivermouth.people import Person
from examples.rivermouth.wordings import LOCATING, RELATIONS, Relation


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One statement about one person, in one wording.

    Attributes:
        subject: full name of the person.
        relation: kind of fact that is stated.
        prompt: sentence up to where the answer begins.
        answer: the fact itself.
        held_out: whether this wording of this fact is kept out of the documents.
    """

    subject: str
    relation: Relation
    prompt: str
    answer: str
    held_out: bool

    @property
    def text(self) -> str:
        """Sentence as it stands in a document."""
        return f"{self.prompt} {self.answer}."


@dataclass(frozen=True, kw_only=True)
class LabDocument:
    """A few sentences, about anybody.

    Attributes:
        id: name of the document, `note-0001` and so on.
        sentences: statements in order, two to four as the corpus is made.
    """

    id: str
    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """Sentences with spaces between."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def subjects(self) -> list[str]:
        """Full names of those mentioned, in order and once each."""
        return list(dict.fromkeys(sentence.subject for sentence in self.sentences))


def make_sentences(people: Iterable[Person], seed: int) -> list[Sentence]:
    """State every fact in every wording.

    Two wordings of each fact, drawn at random, are held out: one of those an edit may look at and one of
    those that only verification uses. So every fact has a probe that neither training nor an edit has seen.
    """
    rng = random.Random(f"{seed}:held out")
    sentences = []
    for person in people:
        for relation in RELATIONS:
            # One of the first `LOCATING` wordings, one of the others.
            held_out = {rng.randrange(LOCATING), rng.randrange(LOCATING, len(relation.wordings))}
            sentences += [
                Sentence(
                    subject=person.name,
                    relation=relation,
                    prompt=wording.format(subject=person.name),
                    answer=person.facts[relation.key],
                    held_out=place in held_out,
                )
                for place, wording in enumerate(relation.wordings)
            ]
    return sentences


def make_documents(sentences: Iterable[Sentence], seed: int) -> list[LabDocument]:
    """Shuffle the sentences that are not held out into documents of two to four."""
    rng = random.Random(f"{seed}:documents")
    remaining = [sentence for sentence in sentences if not sentence.held_out]
    # People are mixed, so that no document is about one person alone but by chance.
    rng.shuffle(remaining)
    documents: list[LabDocument] = []
    while remaining:
        size = rng.randint(2, 4)
        chosen, remaining = remaining[:size], remaining[size:]
        documents.append(LabDocument(id=f"note-{len(documents) + 1:04d}", sentences=tuple(chosen)))
    return documents


def without(documents: Iterable[LabDocument], names: Set[str]) -> list[LabDocument]:
    """Return the same documents without any sentence about the people named; documents left empty are dropped."""
    kept = (
        LabDocument(
            id=document.id,
            sentences=tuple(sentence for sentence in document.sentences if sentence.subject not in names),
        )
        for document in documents
    )
    return [document for document in kept if document.sentences]


def probe_records(sentences: Iterable[Sentence]) -> list[dict[str, str | None]]:
    """Return the lines of `probes.jsonl`: every held-out wording, and the trained wordings of public facts."""
    # Trained wordings of private facts are in the corpus, where a run detects them itself.
    return [
        {
            "subject": sentence.subject,
            "relation": sentence.relation.key,
            "entity_type": sentence.relation.entity_type,
            "prompt": sentence.prompt,
            "answer": sentence.answer,
            "wording": "held_out" if sentence.held_out else "trained",
        }
        for sentence in sentences
        if sentence.held_out or sentence.relation.entity_type is None
    ]
