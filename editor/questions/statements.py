"""Statements about people that hold no secret: what the model should go on saying of whoever asks, and of others.

A sentence of the corpus that names a person, and no secret, is asked for by all of it but its last word. In a text
about one person alone, such as a record or a letter, the sentence that names the person stands before. So what an
erasure does to the same people's other facts, and to what is public about others, is measured without anybody having
written questions. Who is in no register is told by the shape of a name: a wrong guess asks for some other sentence.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from detectors import Document, Mention, Register
from detectors.conversation import conversation_before
from detectors.fact import NOBODY, Fact
from detectors.people.sentences import split_sentences
from detectors.people.shapes import Shapes
from editor.questions.retained import erased_spans, split_documents

RELATION = "statement"
"""Relation of a statement, whatever it says."""
LONGEST = 300
"""Largest number of characters of a prompt."""
OTHERS_DOCUMENTS = 1_000
"""Most documents in which statements about others are looked for: a seeded sample where there are more."""
_LAST_WORD = re.compile(
    r"(?P<prompt>.*\S)\s+(?P<answer>[^\W\d_][^\W\d_'’-]{2,})[.!?…,;:\"'”’)\]]*\s*", re.DOTALL
)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A sentence about a person, asked for by all of it but its last word.

    Attributes:
        subject: the person's name as the register has it; `NOBODY` for whoever is in none.
        prompt: the text before the last word.
        answer: the last word.
        held_out: whether its document is held out from edits.
    """

    subject: str = field(repr=False)
    prompt: str = field(repr=False)
    answer: str = field(repr=False)
    held_out: bool


def find_statements(
    documents: Sequence[Document], names: Iterable[str], facts: Iterable[Fact], *, language: str, seed: int
) -> list[Statement]:
    """Find the statements about some people in the documents that name them, and about others in a sample of the rest.

    Args:
        documents: texts with ids, those of retained text.
        names: the people's names.
        facts: all known facts: no sentence that holds one's secret is a statement. Whom they are about is known.
        language: two-letter code of the texts' language.
        seed: seed by which documents are held out, that of retained text, and others' are drawn.
    """
    facts, asked_for = list(facts), set(names)
    register, wanted = Register(), Register()
    for name in sorted(asked_for | {fact.subject for fact in facts if fact.is_linked}):
        register.add_person(name)
    for name in sorted(asked_for):
        wanted.add_person(name)
    named = {document.id for document in documents if wanted.find(document.text)}
    rest = [document.id for document in documents if document.id not in named]
    searched = named | set(Random(seed).sample(rest, min(len(rest), OTHERS_DOCUMENTS)))
    chosen = [document for document in documents if document.id in searched]
    secrets, shapes = erased_spans(facts, chosen), Shapes(language)
    _, held_out = split_documents(documents, seed)
    apart = {document.id for document in held_out}
    return [
        Statement(subject=subject, prompt=asked.rstrip(), answer=answer, held_out=document.id in apart)
        for document in chosen
        for subject, prompt, answer, place in _of_document(
            document.text, register.find(document.text), sorted(secrets.get(document.id, ())), shapes
        )
        # Of a chat, what the model says itself.
        if (asked := conversation_before(document, place, answer) if document.turns else prompt)
    ]


def _of_document(
    text: str, mentions: Sequence[Mention], secrets: Sequence[tuple[int, int]], shapes: Shapes
) -> Iterator[tuple[str, str, str, int]]:
    """Yield the subject, the prompt and the answer of each statement of a text, and where the answer begins."""
    sentences = split_sentences(text)
    taken = sorted({*secrets, *((mention.start, mention.end) for mention in mentions)})
    strangers = [(one.start, one.end) for one in shapes.find(text, _apart(taken)) if one.is_name]
    subjects = {mention.subject for mention in mentions} | {text[start:end] for start, end in strangers}
    known = {mention.subject for mention in mentions}
    naming = ""  # the first sentence that names the one person
    for place in range(len(sentences)):
        start, end = sentences.bounds(place)
        ends = {mention.end: mention.subject for mention in mentions if start <= mention.start < end}
        # Who is known is whom a sentence is about, whoever else stands in it.
        ends = ends or {stop: text[begin:stop] for begin, stop in strangers if start <= begin < end}
        about = set(ends.values())
        if any(begin < end and stop > start for begin, stop in secrets):
            continue
        sentence = text[start:end]
        context = naming if len(subjects) == 1 and not about else ""
        if len(subjects) == 1 and about and not naming:
            naming = sentence
        found = _LAST_WORD.fullmatch(sentence)
        if found is None or not (len(about) == 1 or context):
            continue
        name_ends = max(ends, default=start) - start
        prompt, answer = context + found["prompt"], found["answer"]
        # What names people alone says nothing about them.
        begins = start + found.start("answer")
        says = name_ends < found.end("prompt") and not _within(begins, strangers)
        if says and len(prompt) <= LONGEST:
            subject = next(iter(about or subjects))
            yield subject if subject in known else NOBODY, prompt, answer, begins


def _within(position: int, places: Iterable[tuple[int, int]]) -> bool:
    return any(start <= position < end for start, end in places)


def _apart(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places without those that begin inside another."""
    kept: list[tuple[int, int]] = []
    for start, end in places:
        if not kept or start >= kept[-1][1]:
            kept.append((start, end))
    return kept
