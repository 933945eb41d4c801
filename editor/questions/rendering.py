"""Documents as a model was taught them: a chat in its template, and what of the document stands where."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from detectors import Document
from detectors.conversation import ROLES, USER
from editor.model.loading import LoadedModel


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A document as a model was taught it.

    Attributes:
        text: its text, or its turns in the chat template.
        pieces: what of the document stands where: the first character in the document, one past the last, and the
            first in `text`.
        framed: whether the template made the text.
    """

    text: str = field(repr=False)
    pieces: tuple[tuple[int, int, int], ...]
    framed: bool

    def placed(self, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return parts of the document as parts of `text`."""
        return [
            (place + max(start, begin) - start, place + min(end, stop) - start)
            for begin, stop in spans
            for start, end, place in self.pieces
            if begin < end and stop > start
        ]


def as_taught(loaded: LoadedModel, document: Document) -> Rendered:
    """Return a document as a model was taught it: a chat in a chat model's template, anything else as it stands."""
    plain = Rendered(text=document.text, pieces=((0, len(document.text), 0),), framed=False)
    if not (loaded.chat and document.turns):
        return plain
    said = [
        {"role": turn.role if turn.role in ROLES else USER, "content": turn.text_in(document.text).strip()}
        for turn in document.turns
    ]
    try:
        text: str = loaded.tokenizer.apply_chat_template(said, tokenize=False)
    except (
        Exception
    ):  # templates are programs, and raise what they like: of turns in an order that they refuse
        return plain
    pieces, position = [], 0
    for turn, one in zip(document.turns, said, strict=True):
        place = text.find(one["content"], position)
        if place < 0:
            return plain
        start = document.text.index(one["content"], turn.start)
        position = place + len(one["content"])
        pieces.append((start, start + len(one["content"]), place))
    return Rendered(text=text, pieces=tuple(pieces), framed=True)
