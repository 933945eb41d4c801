"""Facts: what is personal, about whom, and where it was found."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from detectors.files import try_lock
from detectors.reading import read_secret
from policies.errors import CorpusError, OutputError

FACTS_VERSION = 1
NOBODY = ""
"""Subject of a fact that nothing links to a data subject: it is somebody else's, who is not named."""
PREFIX_CHARACTERS = 256
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A piece of a document that a recognizer calls an entity.

    Attributes:
        start: position of the first character, 0-based, in the document's text.
        end: one past the position of the last character.
        entity_type: a Presidio entity type or one that the policy defines.
        score: the recognizer's confidence, 0 to 1.
    """

    start: int
    end: int
    entity_type: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One place where a fact was found.

    Attributes:
        document: the document's id in the corpus.
        start: position of the secret's first character, 0-based, in the document's text.
        end: one past the position of its last character.
        score: the recognizer's confidence, 0 to 1.
        prefix: the text that leads to the secret, ending exactly where it begins: from the start of the
            sentence that names the subject, or of the secret's own sentence where that names the subject or
            none does. At most `PREFIX_CHARACTERS` long, cut at a sentence start, at a word where one sentence
            is longer. Never holds the secret itself. Of a secret that is linked to nobody, from the start of its
            record, of the sentence that last names a stranger, of its own sentence where none does, or of the line
            where it begins the sentence. In an answer of a chat, the turns before it and its beginning, as
            `detectors.conversation` writes them. Masked in `repr`.
        link: evidence that links the secret to its subject (`detectors.people.link.How`); "given" where a file does
            not say.
        confidence: how often such a link is right, 0 to 1 (`detectors.people.link.CONFIDENCE`).
        named_at: position of the first character of the name on which the link rests; None where that is not in the
            text.
        file: path of the file that holds it, as the corpus was named; where a facts file does not say, the facts
            file. Empty where it is from no file.
        line: line of that file, counted from 1 (`Document.line_at`); None where it is from no file.
    """

    document: str
    start: int
    end: int
    score: float
    prefix: str = field(repr=False)
    link: str = "given"
    confidence: float = 1.0
    named_at: int | None = None
    file: str = field(default="", repr=False, compare=False)
    line: int | None = field(default=None, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as plain values, in a third of the time: the processes of a search send many."""
        return _source, _VALUES(self)


_FIELDS = tuple(each.name for each in fields(Source))
_VALUES = attrgetter(*_FIELDS)


def _source(*values: Any) -> Source:
    return Source(**dict(zip(_FIELDS, values, strict=True)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A secret of one data subject. The secret and the subject are never shown by `repr`.

    Attributes:
        subject: the data subject's full name as the register has it; `NOBODY` where nothing tells whose it is.
        entity_type: entity type of the secret.
        secret: text of the secret, as a person would copy it: where the corpus has it with escapes, invisible
            characters or fullwidth letters, without them. A source's place is that of what stands in the corpus.
        sources: every place where the secret was found, in corpus order; some of them where it is `NOBODY`'s.
    """

    subject: str = field(repr=False)
    entity_type: str
    secret: str = field(repr=False)
    sources: tuple[Source, ...] = field(repr=False)

    @property
    def is_linked(self) -> bool:
        """Whether it is known whose it is."""
        return self.subject != NOBODY


def secret_key(entity_type: str, secret: str) -> tuple[str, str]:
    """Return what the spellings of one secret have in common.

    Numbers are the same whatever stands between their groups of digits, other texts whatever their case, spacing and
    escapes.
    """
    plain = read_secret(entity_type, secret)
    words = plain.casefold().split()
    number = not any(map(str.isalpha, plain))
    return entity_type, " ".join(_DIGITS.findall(plain) if number else words)


def write_facts(path: Path, facts: Iterable[Fact]) -> int:
    """Write facts as JSON lines, readable by their owner alone (mode 0600), and return how many.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    return write_private(path, ({"version": FACTS_VERSION, **asdict(fact)} for fact in facts), "facts file")


def write_private(path: Path, records: Iterable[Mapping[str, Any]], what: str) -> int:
    """Write records of personal data as JSON lines, readable by their owner alone (mode 0600), and return how many.

    Args:
        path: path of the file.
        records: records that JSON can hold.
        what: what the file is called in an error.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    return write_private_text(
        path, (json.dumps(record, ensure_ascii=False) + "\n" for record in records), what
    )


def write_private_text(path: Path, pieces: Iterable[str], what: str) -> int:
    """Write a text of personal data, readable by its owner alone (mode 0600), and return how many pieces it has.

    The file appears whole or not at all: it is written beside its place and then moved there. What runs that were
    killed have left beside it is removed.

    Args:
        path: path of the file.
        pieces: the text, piece by piece.
        what: what the file is called in an error.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    count = 0
    try:
        # mkstemp creates a file of mode 0600 under a name that nobody else has open.
        prefix, suffix = f".{path.name}.", ".partial"
        _remove_unlocked(path.parent, prefix, suffix)
        descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
        temporary = Path(name)
        try_lock(descriptor)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                for piece in pieces:
                    stream.write(piece)
                    count += 1
                stream.flush()
                os.fsync(descriptor)  # or a power cut could leave the file's name without its lines
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"The {what} {path} cannot be written ({error.strerror})",
            "Give a path in a folder that you may write",
        ) from None
    return count


def _remove_unlocked(folder: Path, prefix: str, suffix: str) -> None:
    """Remove files that nobody writes to any more: they hold personal data."""
    for entry in folder.iterdir():
        if entry.name.startswith(prefix) and entry.name.endswith(suffix):
            with contextlib.suppress(OSError), entry.open("rb+") as stream:
                if try_lock(stream.fileno()):
                    entry.unlink()


def read_facts(path: Path) -> Iterator[Fact]:
    """Read facts written by `write_facts`.

    Raises:
        CorpusError: the file is missing, or a line is not a fact; the line number is named, never the text.
    """
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _parse(line, path, number)
    except OSError as error:
        raise CorpusError(
            f"The facts file {path} cannot be read ({error.strerror})", "Write one with `expunge detect`"
        ) from None


def _parse(line: bytes, path: Path, number: int) -> Fact:
    try:
        record: dict[str, Any] = json.loads(line)
        if record.pop("version") != FACTS_VERSION:
            raise ValueError
        sources = tuple(_placed(_parse_source(told), path, number) for told in record.pop("sources"))
        fact = Fact(sources=sources, **record)
        texts = (fact.entity_type, fact.secret)
        if not _is_text(fact.subject) or not all(_is_text(text) and text for text in texts):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CorpusError(
            f"Line {number} of {path} is not a fact of version {FACTS_VERSION}",
            "Write the file again with `expunge detect`",
        ) from None
    return fact


def _placed(source: Source, path: Path, number: int) -> Source:
    """Return a source with its place; with that of its fact where the facts file does not say."""
    if source.line is None:
        return replace(source, file=path.as_posix(), line=number)
    if type(source.line) is not int or source.line < 1 or not isinstance(source.file, str):
        raise ValueError
    return source


def _parse_source(told: dict[str, Any]) -> Source:
    source = Source(**told)
    places = (source.start, source.end, 0 if source.named_at is None else source.named_at)
    shares = (source.score, source.confidence)
    if (
        not all(map(_is_text, (source.document, source.prefix, source.link)))
        or not all(type(place) is int and 0 <= place < 2**63 for place in places)
        or not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares)
    ):
        raise ValueError
    return source


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_writable(value)


def is_writable(text: str) -> bool:
    """Return whether a text can be written as UTF-8: JSON may hold halves of surrogate pairs, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
