"""Documents, streamed from a JSON lines or text file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.errors import CorpusError

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document of the corpus. Text and subjects are never shown by `repr`.

    Attributes:
        id: as the corpus names it, or `line-N`.
        text: the text itself.
        subjects: names of the people it is about, where the corpus says so.
    """

    id: str
    text: str = field(repr=False)
    subjects: tuple[str, ...] = field(default=(), repr=False)


class Corpus:
    """The documents of a file, read anew each time it is iterated over: nothing is kept in memory.

    Raises, while iterating:
        CorpusError: a line that is not a document, named by its number; or no document at all.
    """

    def __init__(self, path: Path, kind: str) -> None:
        self.path = path
        self._parse = _parse_json if kind == "jsonl" else _parse_text

    def __iter__(self) -> Iterator[Document]:
        found = False
        for number, line in self._lines():
            if line.strip():
                found = True
                yield self._parse(line, number, self.path)
        if not found:
            raise CorpusError(
                f"The corpus {self.path} holds no document", "Give a file with at least one document"
            )

    def _lines(self) -> Iterator[tuple[int, str]]:
        number = 0
        try:
            # Not text mode: it would also split lines at a lone carriage return, and shift the numbers.
            with self.path.open("rb") as stream:
                for number, raw in enumerate(stream, start=1):
                    yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise CorpusError(
                f"Line {number} of {self.path} is not UTF-8", "Save the file as UTF-8"
            ) from None
        except OSError as error:
            raise CorpusError(
                f"The corpus {self.path} cannot be read ({error.strerror})",
                "Check the path and its permissions",
            ) from None


def read_corpus(path: str | Path) -> Corpus:
    """The documents of a `.jsonl` file (`{"id", "text"[, "subjects": [...]]}`) or a `.txt` file (one a line).

    `id` may be left out (`line-N` then); other keys are ignored; blank lines are skipped.

    Raises:
        CorpusError: not a readable file of these kinds. Damaged lines are reported while iterating.
    """
    path = Path(path)
    if path.is_dir():
        raise CorpusError(f"The corpus {path} is a folder", "Give the path of a .jsonl or .txt file")
    if not path.exists():
        raise CorpusError(f"There is no corpus {path}", "Check the path")
    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise CorpusError(
            f"The corpus {path} is neither .jsonl nor .txt",
            'Convert it to JSON lines: {"id": ..., "text": ...} on each line',
        )
    return Corpus(path, kind)


def _parse_text(line: str, number: int, path: Path) -> Document:
    del path  # the same signature as for JSON
    return Document(id=f"line-{number}", text=line)


def _parse_json(line: str, number: int, path: Path) -> Document:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise CorpusError(
            f"Line {number} of {path} is not JSON", 'Write one {"id": ..., "text": ...} on each line'
        ) from None
    problem = _problem(record)
    if problem:
        raise CorpusError(
            f"Line {number} of {path}: {problem}",
            'Write {"id": text, "text": text, "subjects": [names]}; id and subjects may be left out',
        )
    subjects = (" ".join(name.split()) for name in record.get("subjects") or ())
    return Document(
        id=str(record.get("id", f"line-{number}")),
        text=record["text"],
        subjects=tuple(dict.fromkeys(name for name in subjects if name)),
    )


def _problem(record: Any) -> str | None:
    """What keeps a JSON value from being a document, or None."""
    if not isinstance(record, dict):
        return "it is not a JSON object"
    if not isinstance(record.get("text"), str):
        return "it has no key `text` holding text" if "text" not in record else "`text` does not hold text"
    if not isinstance(record.get("id", ""), (str, int)):
        return "`id` is neither text nor a whole number"
    subjects = record.get("subjects") or []
    if not isinstance(subjects, list) or not all(isinstance(name, str) for name in subjects):
        return "`subjects` is not a list of names"
    if any(_half_character(text) for text in (record["text"], *subjects)):
        return "it holds half of a surrogate pair, which is not a character"
    return None


def _half_character(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
