"""The search of one document: its secrets, and whom each is about."""

from typing import NamedTuple

from detectors.conversation import conversation_before
from detectors.corpus import Document
from detectors.engine import Engine
from detectors.fact import Source, Span
from detectors.people import Register
from detectors.people.link import Link, Linker
from detectors.people.prefix import prefix_of
from detectors.people.sentences import Sentences
from detectors.reading import read_secret


class Finding(NamedTuple):
    """A secret in a document.

    Attributes:
        entity_type: entity type of the secret.
        subject: name of the person whom the secret is about; `NOBODY` where nothing tells.
        secret: text of the secret, as a person would copy it.
        source: place of the secret.
    """

    entity_type: str
    subject: str
    secret: str
    source: Source


class Findings(NamedTuple):
    """Everything found in one document.

    Attributes:
        place: place of the document in its file; empty where it is not from a file.
        problems: sentences on what of the document was not read or not searched.
        subjects: the people whom the document names.
        found: the document's secrets.
    """

    place: str
    problems: tuple[str, ...]
    subjects: tuple[str, ...]
    found: tuple[Finding, ...]


def search_document(document: Document, engine: Engine, register: Register) -> Findings:
    """Find the secrets of one document and whom they are about. The result depends on the arguments alone."""
    scan = engine.scan(document.text)
    # A person's own name is what a fact is about, not a fact about them.
    secrets = [
        span
        for span in scan.spans
        if span.entity_type != "PERSON" or not register.find(document.text[span.start : span.end])
    ]
    linker = Linker(
        document.text,
        scan.sentences,
        secrets,
        register,
        document.subjects,
        engine.shapes(document.text),
        document.turns,
        engine.names if register.is_open else None,
    )
    return Findings(
        place=document.place,
        problems=tuple(dict.fromkeys((*document.problems, *scan.problems))),
        subjects=linker.subjects,
        found=tuple(
            _finding(document, span, link, scan.sentences) for span in secrets for link in linker.links(span)
        ),
    )


def _finding(document: Document, span: Span, link: Link, sentences: Sentences) -> Finding:
    secret = read_secret(span.entity_type, document.text[span.start : span.end])
    asked = conversation_before(document, span.start, secret)
    source = Source(
        document=document.id,
        start=span.start,
        end=span.end,
        score=span.score,
        prefix=asked or prefix_of(document.text, span, link.anchor, sentences, secret),
        link=link.how,
        confidence=link.confidence,
        named_at=link.named_at,
        file=document.file,
        line=document.line_at(span.start),
    )
    return Finding(span.entity_type, link.subject, secret, source)
