"""Documents, streamed from a file of text, JSON lines, CSV or Parquet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from policies.errors import CorpusError

LONGEST_DOCUMENT_CHARACTERS = 1_000_000
CUT = f"incompletely scanned: only the first {LONGEST_DOCUMENT_CHARACTERS:,} characters were read"
REPLACED = "incompletely scanned: bytes that are not UTF-8 were passed over"
TOO_LONG = "skipped: a line of more than 64 MB"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of a corpus. Text and subjects are never shown by `repr`.

    Attributes:
        id: name of the document in the corpus, or `line-N` or `row-N`.
        text: text of the document; a record is written as "column: value" lines.
        subjects: names of the people whom the document is about, where the corpus says so.
        problems: what could not be read, in the words of a report; empty where all was.
        place: place in the file ("line 7", "row 3"), for reports, as an id may say whom the document is about.
    """

    id: str
    text: str = field(repr=False)
    subjects: tuple[str, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()
    place: str = ""


Reader = Callable[[Path], Iterator[Document]]


class Corpus:
    """The documents of a file, read again each time it is iterated over: nothing is kept in memory.

    Raises:
        CorpusError: while iterating, a line is not a document (it is named by its number), the file cannot be read,
            or it holds no document at all.
    """

    def __init__(self, path: Path, read: Reader) -> None:
        self.path = path
        self._read = read

    def __iter__(self) -> Iterator[Document]:
        found = False
        try:
            for document in self._read(self.path):
                found = True
                yield document
        except OSError as error:
            raise CorpusError(
                f"The corpus {self.path} cannot be read ({error.strerror})",
                "Check the path and its permissions",
            ) from None
        if not found:
            raise CorpusError(
                f"The corpus {self.path} holds no document", "Give a file with at least one document"
            )


def read_corpus(path: str | Path) -> Corpus:
    """Open a `.jsonl`, `.ndjson`, `.txt`, `.csv`, `.tsv` or `.parquet` file as a stream of documents.

    - JSON lines: `{"id", "text"[, "subjects": [...]]}`. `text` may itself be a record; so may the whole line,
      where it has no `text`.
    - Text: one document per line.
    - CSV, with a header, and Parquet: the column `text`, or all columns as a record; `id`; `subjects`, names
      divided by semicolons.

    `id` may be left out; blank lines are skipped. The people whom a record names in a field such as `name`
    are its subjects. Damage inside a document does not end the run: `Document.problems` says what was not read.

    Raises:
        CorpusError: not a readable file of these kinds. Damaged lines are reported while iterating.
    """
    from detectors.corpus import readers

    path = Path(path)
    kinds: dict[str, Reader] = {
        ".jsonl": readers.read_json_lines,
        ".ndjson": readers.read_json_lines,
        ".txt": readers.read_lines,
        ".csv": readers.read_csv,
        ".tsv": readers.read_csv,
        ".parquet": readers.read_parquet,
    }
    if path.is_dir():
        raise CorpusError(f"The corpus {path} is a folder", "Give the path of a .jsonl or .txt file")
    if not path.exists():
        raise CorpusError(f"There is no corpus {path}", "Check the path")
    read = kinds.get(path.suffix.lower())
    if read is None:
        raise CorpusError(
            f"The corpus {path} is none of {', '.join(kinds)}",
            'Convert it to JSON lines: {"id": ..., "text": ...} on each line',
        )
    return Corpus(path, read)
