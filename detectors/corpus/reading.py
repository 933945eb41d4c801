"""A corpus: a file, a folder or a pattern of files, as a stream of documents."""

import contextlib
import glob
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from detectors.corpus.documents import Document
from detectors.corpus.json_files import read_json
from detectors.corpus.mails import read_eml, read_mbox
from detectors.corpus.pages import read_html, read_whole
from detectors.corpus.readers import read_json_lines, read_lines
from detectors.corpus.sources import PACKED, Source
from detectors.corpus.tables import read_arrow, read_csv, read_parquet
from policies.errors import CorpusError, printable

HIDDEN = "skipped: a hidden file"
BINARY = "skipped: a file that is not text"
FOLDER_LINK = "skipped: a link to a folder"
NO_FILE = "skipped: neither a file nor a folder"
UNREADABLE = "skipped: a file that cannot be read"

Reader = Callable[[Source], Iterator[Document]]
KINDS: dict[str, Reader] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".txt": read_lines,
    ".log": read_lines,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".md": read_whole,
    ".markdown": read_whole,
    ".html": read_html,
    ".htm": read_html,
    ".eml": read_eml,
    ".mbox": read_mbox,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
"""Readers by the suffix of a file's name."""
_NEVER_PACKED = (read_parquet, read_arrow)


class Corpus:
    """The documents of a file or of several, read again each time it is iterated over: nothing is kept in memory.

    The order is that of the files' names, and in a file its own, so that two runs read the same.

    Raises:
        CorpusError: while iterating, the file cannot be read, there is no document at all, or it is another than when
            it was read before.
    """

    def __init__(self, path: Path, documents: Callable[[], Iterator[Document]]) -> None:
        self.path = path
        self._documents = documents
        self._digest: bytes | None = None

    def __iter__(self) -> Iterator[Document]:
        found = False
        first: Document | None = None
        digest = hashlib.blake2b(digest_size=16)
        for document in self._documents():
            found = found or bool(document.text) or not document.problems
            first = first or document
            for text in (document.place, document.id, document.text):
                digest.update(len(text).to_bytes(8, "big") + text.encode(errors="surrogatepass"))
            yield document
        self._compare(digest.digest())
        if first is None:
            raise CorpusError(
                f"The corpus {self.path} holds no document", "Give a file with at least one document"
            )
        if not found:
            raise CorpusError(
                f"The corpus {self.path} holds no document that can be read: "
                f"{first.problems[0].removeprefix('skipped: ')} ({first.place})",
                'Write JSON lines, {"id": ..., "text": ...}, or another kind of file that docs/detection.md names',
            )

    def _compare(self, digest: bytes) -> None:
        """Refuse a corpus that was read to its end before, and was another then."""
        if self._digest is not None and digest != self._digest:
            raise CorpusError(
                f"The corpus {self.path} was changed while it was read{_latest_in(self.path)}",
                "Run again once nobody writes to it, or on a copy",
            )
        self._digest = digest


def _latest_in(path: Path) -> str:
    """Return, as the rest of a sentence, which file of a folder was changed last."""
    if not path.is_dir():
        return ""
    times: list[tuple[float, str]] = []
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            times.append((file.stat().st_mtime, file.relative_to(path).as_posix()))
    return f" (last {readable_name(max(times)[1])})" if times else " (files are gone)"


def read_corpus(path: str | Path) -> Corpus:
    """Open a file, a folder or a pattern such as `letters/**/*.txt` as a stream of documents.

    - JSON lines (`.jsonl`, `.ndjson`) and `.json`: `{"id", "text"[, "subjects": [...]]}`. `text` may itself be a
      record; so may the whole object, where it has no `text`. Chats keep their `turns`.
    - Text and logs: one document per line.
    - `.csv`, `.tsv`, with a header, `.parquet` and `.arrow`: the column `text`, or all columns as a record; `id`;
      `subjects`, names divided by semicolons.
    - `.eml`, `.mbox`, `.html`, `.md`: one document per message or page.
    - All but Parquet and Arrow may be packed: `.gz`, `.bz2`, `.xz`, `.zst`.

    `id` may be left out; blank lines are skipped. The people whom a record names in a field such as `name`
    are its subjects. Damage does not end the run: `Document.problems` says what was not read, also of hidden and
    binary files in a folder.

    Raises:
        CorpusError: there is no such file, or it is of another kind. What cannot be read at all is reported while
            iterating.
    """
    named, path = str(path), Path(path)
    if path.is_dir():
        return Corpus(path, lambda: _of_folder(path, ""))
    if not path.exists():
        if not glob.has_magic(named):
            raise CorpusError(f"There is no corpus {path}", "Check the path")
        if not _fitting(named):
            raise CorpusError(f"No file fits the pattern {path}", "Check the pattern")
        return Corpus(path, lambda: _of_pattern(named))
    if not path.is_file():
        raise CorpusError(
            f"The corpus {path} is neither a file nor a folder, and it is read several times",
            "Write it into a file",
        )
    source = Source(path)
    read = _reader(source)
    if read is None:
        raise CorpusError(
            f"The corpus {path} is none of {', '.join(KINDS)}, packed ({', '.join(PACKED)}) or not",
            'Convert it to JSON lines: {"id": ..., "text": ...} on each line',
        )
    return Corpus(path, lambda: _of_one(Source(path), read))


def _reader(source: Source) -> Reader | None:
    read = KINDS.get(source.suffix)
    return None if source.is_packed and read in _NEVER_PACKED else read


def _of_one(source: Source, read: Reader) -> Iterator[Document]:
    try:
        yield from _noted(source, read)
    except OSError as error:
        raise CorpusError(
            f"The corpus {source.path} cannot be read ({error.strerror or 'it is not what its name says'})",
            "Check the path and its permissions",
        ) from None


def _noted(source: Source, read: Reader) -> Iterator[Document]:
    """Yield documents with their file, and with what was guessed or not read of it noted where that comes up."""
    file = source.path.as_posix()
    for document in read(source):
        noted = source.take_problems()
        yield replace(document, problems=(*noted, *document.problems), file=file)
    if rest := source.take_problems():
        yield Document(id="end", text="", problems=rest, place="end")


def _fitting(pattern: str) -> list[str]:
    # `Path.glob` takes no absolute pattern, and hidden files for fitting ones.
    return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207


def _of_pattern(pattern: str) -> Iterator[Document]:
    for name in _fitting(pattern):
        if not Path(name).is_dir():
            yield from _of_file(Path(name), readable_name(name))


def _of_folder(folder: Path, name: str) -> Iterator[Document]:
    """Yield the documents of a folder's files and folders, by name; what is passed over in place of a document."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        yield _passed_over(name or ".", UNREADABLE)
        return
    for entry in listed:
        path, place = Path(entry.path), f"{name}{readable_name(entry.name)}"
        if entry.name.startswith("."):
            yield _passed_over(place, HIDDEN)
        elif entry.is_dir(follow_symlinks=False):
            yield from _of_folder(path, f"{place}/")
        elif entry.is_dir():
            yield _passed_over(place, FOLDER_LINK)
        elif not entry.is_file():
            yield _passed_over(place, NO_FILE)
        else:
            yield from _of_file(path, place)


def _of_file(path: Path, name: str) -> Iterator[Document]:
    """Yield the documents of one of several files; what is not text, or cannot be read, is recorded."""
    source = Source(path)
    read = _reader(source)
    try:
        if read is None and source.is_binary():
            yield _passed_over(name, BINARY)
            return
        for document in _noted(source, read or read_lines):
            yield replace(document, id=f"{name}:{document.id}", place=f"{name} {document.place}")
    except OSError:
        yield _passed_over(name, UNREADABLE)
    except CorpusError as error:
        yield _passed_over(name, f"{UNREADABLE}: {error.cause.replace(str(path), 'it')}")


def readable_name(name: str) -> str:
    """Return a file's name as reports and terminals can show it: on one line, in characters."""
    return printable(os.fsencode(name).decode("utf-8", "replace"))


def _passed_over(name: str, problem: str) -> Document:
    return Document(id=name, text="", problems=(problem,), place=name)
