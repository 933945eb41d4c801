"""From people to documents in a lab's styles, to what the model is trained on, and to what a judge asks."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from examples.labs.shapes import PRIVATE, RELATIONS, LabShape
from examples.labs.styles import STYLES, Style
from examples.rivermouth.people import Person, choose_erased, make_people

T = TypeVar("T")
HELD_OUT = 2
"""Wordings of each fact that are in no document; other people's facts are stated in them."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fact as a document states it.

    Attributes:
        subject: full name of the person.
        relation: kind of fact.
        prompt: what leads to the answer.
        answer: the fact, with the space before it.
    """

    subject: str
    relation: str
    prompt: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """One text of the corpus.

    Attributes:
        text: the whole text.
        statements: its facts. A prompt begins where the document does if it is about one person, and otherwise where
            the fact's sentence does.
        pieces: what training sees whole: the document, or its sentences.
        subjects: full names of those mentioned, once each.
    """

    text: str
    statements: tuple[Statement, ...]
    pieces: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt, and the fact that would continue it.

    Attributes:
        subject: full name of the person.
        relation: kind of fact.
        entity_type: entity type of a private fact; None for a public one.
        erased: whether the person asks for erasure.
        wording: `trained` where the prompt is in the corpus, `unseen` where neither it nor anything like it was said
            of the fact.
        prompt: what leads to the answer.
        answer: what continues the prompt, with the space before it.
    """

    subject: str
    relation: str
    entity_type: str | None
    erased: bool
    wording: str
    prompt: str
    answer: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """Everything of a lab but its model.

    Attributes:
        people: everybody in it.
        erased: full names of those who ask for erasure.
        documents: the corpus.
        questions: what the judge asks.
    """

    people: tuple[Person, ...]
    erased: tuple[str, ...]
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]


def make_content(shape: LabShape, seed: int) -> Content:
    """Invent people and documents; the same shape and seed give the same."""
    number = shape.number(seed)
    people = make_people(number, shape.people)
    erased = choose_erased(people, number, shape.erased, min(3, shape.erased))
    names = tuple(person.name for person in erased)
    held_out = _hold_out(people, shape, seed)
    documents = _make_documents(people, held_out, shape, seed)
    return Content(
        people=tuple(people),
        erased=names,
        documents=tuple(documents),
        questions=tuple(_make_questions(people, names, documents, held_out, shape.stream(seed, "questions"))),
    )


HeldOut = dict[tuple[str, str, str], list[int]]
"""Places of the wordings that are held out, by name, relation and style."""


def _hold_out(people: Sequence[Person], shape: LabShape, seed: int) -> HeldOut:
    """Draw the wordings of each fact that no document uses."""
    rng = shape.stream(seed, "held out")
    return {
        (person.name, relation, style): rng.sample(range(len(STYLES[style].wordings[relation])), HELD_OUT)
        for person in people
        for relation in RELATIONS
        for style in shape.styles
    }


def _make_documents(
    people: Sequence[Person], held_out: HeldOut, shape: LabShape, seed: int
) -> list[Document]:
    """State every fact as often as the shape says, in wordings that are not held out."""
    rng = shape.stream(seed, "documents")
    documents: list[Document] = []
    of_anybody: dict[str, list[Statement]] = {style: [] for style in shape.styles}
    for place, person in enumerate(people):
        turns = {
            (style, relation): _in_turn(
                STYLES[style].wordings[relation], held_out[person.name, relation, style], rng
            )
            for style in shape.styles
            for relation in RELATIONS
        }
        for mention in range(shape.mentions):
            # People take the styles in turn, each beginning with another.
            name = shape.styles[(mention + place) % len(shape.styles)]
            style = STYLES[name]
            wordings = [(key, next(turns[name, key])) for key in rng.sample(RELATIONS, len(RELATIONS))]
            if style.personal:
                documents += [_about(person, part, style, rng) for part in _parts(wordings, style, rng)]
            else:
                of_anybody[name] += [_stated(person, *wording) for wording in wordings]
    for name, statements in of_anybody.items():
        # People are mixed, so that no document is about one person alone but by chance.
        rng.shuffle(statements)
        documents += [_together(part, STYLES[name]) for part in _parts(statements, STYLES[name], rng)]
    rng.shuffle(documents)
    return documents


def _in_turn(wordings: Sequence[str], held_out: Sequence[int], rng: random.Random) -> Iterator[str]:
    """Yield the wordings that are not held out, in an order drawn once, for ever."""
    allowed = [wording for place, wording in enumerate(wordings) if place not in held_out]
    return itertools.cycle(rng.sample(allowed, len(allowed)))


def _parts(items: Sequence[T], style: Style, rng: random.Random) -> list[Sequence[T]]:
    """Cut into as many as a document holds; the last part may be smaller."""
    parts: list[Sequence[T]] = []
    begin = 0
    while begin < len(items):
        size = rng.randint(*style.facts)
        parts.append(items[begin : begin + size])
        begin += size
    return parts


def _stated(person: Person, relation: str, wording: str, before: str = "") -> Statement:
    """State a fact after what the document says before."""
    return Statement(
        subject=person.name,
        relation=relation,
        prompt=before + _filled(wording, person.name),
        answer=f" {person.facts[relation]}",
    )


def _filled(text: str, name: str) -> str:
    """Put a person's name in."""
    return text.format(subject=name, first=name.split(maxsplit=1)[0])


def _about(person: Person, wordings: Sequence[tuple[str, str]], style: Style, rng: random.Random) -> Document:
    """Write a document about one person."""
    text, statements = _filled(rng.choice(style.leads), person.name), []
    for place, (relation, wording) in enumerate(wordings):
        statement = _stated(person, relation, wording, text + (style.joint if place else ""))
        statements.append(statement)
        text = statement.prompt + statement.answer + style.end
    text += rng.choice(style.closings)
    return Document(text=text, statements=tuple(statements), pieces=(text,), subjects=(person.name,))


def _together(statements: Sequence[Statement], style: Style) -> Document:
    """Write a document of statements about anybody."""
    pieces = tuple(statement.prompt + statement.answer + style.end for statement in statements)
    return Document(
        text=style.joint.join(pieces),
        statements=tuple(statements),
        pieces=pieces,
        subjects=tuple(dict.fromkeys(statement.subject for statement in statements)),
    )


def _make_questions(
    people: Sequence[Person],
    erased: Sequence[str],
    documents: Sequence[Document],
    held_out: HeldOut,
    rng: random.Random,
) -> list[Question]:
    """Ask the erased people's facts in every wording, and others' in one of each kind."""
    trained: dict[tuple[str, str], list[str]] = {}
    for document in documents:
        for statement in document.statements:
            trained.setdefault((statement.subject, statement.relation), []).append(statement.prompt)
    unseen: dict[tuple[str, str], list[str]] = {}
    for (name, relation, key), places in held_out.items():
        style = STYLES[key]
        for place in places:
            lead = rng.choice(style.leads or ("",))
            prompt = _filled(lead + style.wordings[relation][place], name)
            unseen.setdefault((name, relation), []).append(prompt)
    questions: list[Question] = []
    for person in people:
        for relation in RELATIONS:
            for wording, prompts in (("trained", trained), ("unseen", unseen)):
                asked = list(dict.fromkeys(prompts[person.name, relation]))
                chosen = asked if person.name in erased else [rng.choice(asked)]
                questions += [
                    Question(
                        subject=person.name,
                        relation=relation,
                        entity_type=PRIVATE.get(relation),
                        erased=person.name in erased,
                        wording=wording,
                        prompt=prompt,
                        answer=f" {person.facts[relation]}",
                    )
                    for prompt in chosen
                ]
    return questions
