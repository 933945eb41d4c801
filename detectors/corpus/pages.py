"""Readers of pages, a document a file: HTML without its markup, and Markdown as it is."""

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from detectors.corpus.documents import LONGEST_DOCUMENT_CHARACTERS, Document, Place, make_document
from detectors.corpus.readers import pieces
from detectors.corpus.sources import Source

_BLOCK_BYTES = 1 << 16
_SILENT = frozenset({"script", "style", "template", "svg", "math"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "br",
        "caption",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "select",
        "summary",
        "table",
        "tbody",
        "textarea",
        "tfoot",
        "thead",
        "title",
        "tr",
        "ul",
    ]
)
_ATTRIBUTES = frozenset({"alt", "title", "value"})
_BLANK = "\ufeff \t\r\n"
_LINKS = ("mailto:", "tel:")
DAMAGED = "a part of the page that is no HTML was read as it stands"


def read_html(source: Source) -> Iterator[Document]:
    """Yield the text of a page; a page longer than a document is several."""
    with source.open() as stream:
        yield from _parts(_without_markup(pieces(stream, _BLOCK_BYTES)))


def read_whole(source: Source) -> Iterator[Document]:
    """Yield a file as one document; one longer than a document is several, divided at lines."""
    with source.open() as stream:
        yield from _parts(pieces(stream, _BLOCK_BYTES), as_written=True)


def _without_markup(pieces: Iterable[tuple[str, tuple[str, ...]]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    page = _Page()
    for text, problems in pieces:
        page.feed(text)
        yield page.take(), (*problems, *page.take_problems())
    page.close()
    yield page.take(), page.take_problems()


def html_text(page: str) -> str:
    """Return the text of HTML, a line for each block."""
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser.take().strip()


def _parts(pieces: Iterable[tuple[str, tuple[str, ...]]], *, as_written: bool = False) -> Iterator[Document]:
    number = length = 0
    line = 1
    texts: list[str] = []
    problems: dict[str, None] = {}
    for text, found in pieces:
        if length + len(text) > LONGEST_DOCUMENT_CHARACTERS and "".join(texts).strip():
            number += 1
            whole = "".join(texts)
            yield _part(number, whole, line, problems, as_written=as_written)
            line += whole.count("\n")
            texts, length, problems = [], 0, {}
        texts.append(text)
        length += len(text)
        problems |= dict.fromkeys(found)
    if (rest := "".join(texts)).strip(_BLANK):
        yield _part(number + 1, rest, line, problems, as_written=as_written)


def _part(number: int, text: str, line: int, problems: Iterable[str], *, as_written: bool) -> Document:
    """Make a document of a part that begins at a line; of a page without its markup lines are not known."""
    plain = text.lstrip(_BLANK)
    first = line + text[: len(text) - len(plain)].count("\n") if as_written else 1
    place = Place("part", number, line=first)
    return make_document(place, plain.rstrip(_BLANK), problems=problems, as_written=as_written)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._texts: list[str] = []
        self._silent = 0
        self._is_damaged = False

    def feed(self, data: str) -> None:
        """Read a piece. One that the parser fails on is text as it stands."""
        waiting = self.rawdata
        try:
            super().feed(data)
        except (
            ValueError,
            AssertionError,
        ):  # a character of thousands of digits, a section of an unknown kind
            self.handle_data(waiting + data)
            self._failed()

    def close(self) -> None:
        """Read what was left for want of its end."""
        waiting = self.rawdata
        try:
            super().close()
        except (ValueError, AssertionError):
            self.handle_data(waiting)
            self._failed()

    def _failed(self) -> None:
        self.rawdata = ""
        self.clear_cdata_mode()
        self._is_damaged = True

    def take_problems(self) -> tuple[str, ...]:
        """Return what could not be read since the last call."""
        found, self._is_damaged = ((DAMAGED,) if self._is_damaged else ()), False
        return found

    def take(self) -> str:
        """Return the text since the last call."""
        text, self._texts = "".join(self._texts), []
        return text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        self._divide(tag)
        if tag in _CELLS:
            self._texts.append(" | ")
        for name, value in attrs:
            if value and name in _ATTRIBUTES:
                self._texts.append(f" {value} ")
            elif value and name == "href" and value.startswith(_LINKS):
                self._texts.append(f" {value.partition(':')[2]} ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        self._divide(tag)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            words = " ".join(data.split())
            lead, trail = " " * data[:1].isspace(), " " * data[-1:].isspace()
            self._texts.append(f"{lead}{words}{trail}" if words else lead)

    def _divide(self, tag: str) -> None:
        if tag in _BLOCKS and not (self._texts and self._texts[-1] == "\n"):
            self._texts.append("\n")
