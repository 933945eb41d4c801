"""Documents of a corpus, and the turns of those that are chats."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from detectors.corpus.chats import Turn

LONGEST_DOCUMENT_CHARACTERS = 1_000_000
CUT = f"incompletely scanned: only the first {LONGEST_DOCUMENT_CHARACTERS:,} characters were read"
REPLACED = "incompletely scanned: bytes that are not UTF-8 were passed over"
WINDOWS = "read as Windows-1252: it is not UTF-8"
TOO_LONG = "skipped: a line of more than 64 MB"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of a corpus. Text and subjects are never shown by `repr`.

    Attributes:
        id: name of the document in the corpus, or `line-N` or `row-N`; in a corpus of several files after the
            file's name and a colon.
        text: text of the document; a record is written as "column: value" lines. Empty where it could not be read.
        subjects: names of the people whom the document is about, where the corpus says so.
        problems: what could not be read, or was guessed, in the words of a report; empty where all was read.
        place: place in the corpus ("line 7", "row 3", "letters/may.txt line 7"), for reports, as an id may say whom
            the document is about.
        turns: the turns of a chat, by position, not overlapping; empty for other documents.
        file: path of the file that holds the document, as the corpus was named; empty where it is from no file.
        line: line of the file where the document begins, counted from 1; of a Parquet or Arrow file, which has no
            lines, the row. None where it is from no file.
        as_written: whether the text has the lines of the file.
    """

    id: str
    text: str = field(repr=False)
    subjects: tuple[str, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()
    place: str = ""
    turns: tuple[Turn, ...] = ()
    file: str = field(default="", repr=False, compare=False)
    line: int | None = field(default=None, compare=False)
    as_written: bool = field(default=False, repr=False, compare=False)

    def line_at(self, position: int) -> int | None:
        """Return the line of the file that holds the character at a position of the text, as far as it is known.

        That is the line where the document begins, unless the text has the lines of the file.
        """
        if self.line is None or not self.as_written:
            return self.line
        return self.line + self.text.count("\n", 0, position)

    def turn_at(self, position: int) -> Turn | None:
        """Return the turn that holds the character at a position of the text, such as a fact's; None outside."""
        index = bisect_right(self.turns, position, key=attrgetter("start")) - 1
        return self.turns[index] if index >= 0 and position < self.turns[index].end else None


class Place(NamedTuple):
    """The place of a document in its file, counted from 1, and the line where it begins; None for the number."""

    kind: str
    number: int
    also: str = ""
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.number}{self.also}"


def make_document(
    place: Place,
    text: str,
    *,
    identifier: Any = None,
    subjects: Iterable[str] = (),
    problems: Iterable[str] = (),
    turns: Iterable[Turn] = (),
    as_written: bool = False,
) -> Document:
    """Make a document; what is longer than a document may be is cut and said."""
    problems = tuple(problems)
    if len(text) > LONGEST_DOCUMENT_CHARACTERS:
        text, problems = text[:LONGEST_DOCUMENT_CHARACTERS], (*problems, CUT)
        turns = [turn._replace(end=min(turn.end, len(text))) for turn in turns if turn.start < len(text)]
    names = (" ".join(name.split()) for name in subjects)
    return Document(
        id=f"{place.kind}-{place.number}" if identifier is None else str(identifier),
        text=text,
        subjects=tuple(dict.fromkeys(name for name in names if name)),
        problems=tuple(dict.fromkeys(problems)),
        place=str(place),
        turns=tuple(turns),
        line=place.number if place.line is None else place.line,
        as_written=as_written,
    )


def unread(place: Place, problem: str) -> Document:
    """Make the document that stands for one that cannot be read."""
    return make_document(place, "", problems=(problem,))
