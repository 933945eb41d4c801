"""The lab before training, made from its seed."""

from dataclasses import dataclass

from examples.rivermouth.corpus import LabDocument, Sentence, make_documents, make_sentences, without
from examples.rivermouth.people import Person, choose_erased, make_people


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The invented clinic.

    Attributes:
        people: everybody in it.
        erased: people who ask for erasure.
        sentences: every fact in every wording, held out or not.
        documents: documents of the corpus.
    """

    people: list[Person]
    erased: list[Person]
    sentences: list[Sentence]
    documents: list[LabDocument]

    @property
    def erased_names(self) -> frozenset[str]:
        """Full names of those who ask for erasure."""
        return frozenset(person.name for person in self.erased)

    @property
    def never_seen(self) -> list[LabDocument]:
        """Corpus without any sentence about those who ask for erasure."""
        return without(self.documents, self.erased_names)


def make_lab(seed: int) -> Lab:
    """Invent people, sentences and documents; the same seed gives the same lab."""
    people = make_people(seed)
    sentences = make_sentences(people, seed)
    return Lab(
        people=people,
        erased=choose_erased(people, seed),
        sentences=sentences,
        documents=make_documents(sentences, seed),
    )
