"""Strangers of a document: people whom it names and nobody knows."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, combinations

import regex  # type: ignore[import-untyped]

from detectors.fact import NOBODY, Span
from detectors.people.register import Mention
from detectors.people.shapes import MOST_WORDS, Shape, Shapes
from detectors.people.words import COMMON, PARTICLES

_ADDRESSES = frozenset({"STREET_ADDRESS", "LOCATION"})
_FIRST_PERSON = regex.compile(
    r"(?<![\w'’@.])(?:I|i'm|i’m|my|mine|me|we|our|ours|us|mein\w*|mich|mir|unsere?\w*|mon|moi|notre|mi|mis|nuestr\w+)(?![\w@]|\.\w)",
    regex.IGNORECASE,
)


class Strangers:
    """The people whom a document names by what has the shape of a name, or a model takes for one, and nobody knows.

    Args:
        text: text of the document.
        spans: spans of the text's secrets. A name inside a secret names nobody, and a person that a model found is
            one where the register does not have the name.
        mentions: mentions of the people known.
        subjects: names of the people known whom the document is about or names.
        shapes: finder of shapes.
        sought: whether strangers are looked for at all.

    Attributes:
        mentions: places where a stranger is named, by position, of the subject `NOBODY`.
        words: words of the strangers' names.
    """

    def __init__(
        self,
        text: str,
        spans: Sequence[Span],
        mentions: Sequence[Mention],
        subjects: Sequence[str],
        shapes: Shapes,
        *,
        sought: bool = True,
    ) -> None:
        self.words: frozenset[str] = frozenset()
        self.mentions: list[Mention] = []
        self._text = text
        self._starts: list[int] = []
        self._reach: list[int] = []
        self._owners: list[int] = []
        self._spoken: dict[tuple[int, int], bool] = {}
        found = _find(text, spans, mentions, subjects, shapes) if sought else []
        if found:
            self._take(found)

    def _take(self, found: Sequence[Shape]) -> None:
        named = [shape for shape in found if shape.is_name]
        words = {word.rstrip(".") for shape in named for word in shape.words}
        self.words = frozenset(word for word in words if word.casefold() not in COMMON)
        self.mentions = [Mention(start=shape.start, end=shape.end, subject=NOBODY) for shape in named]
        self._starts = [shape.start for shape in named]
        self._reach = list(accumulate((shape.end for shape in named), max))
        self._owners = [shape.start for shape in found if not shape.is_name]

    def outside(self, mentions: Iterable[Mention]) -> list[Mention]:
        """Return the mentions that are no part of a stranger's name: "Quill" in "Eve Quill" is not Ada Quill."""
        return [mention for mention in mentions if not self._overlap(mention)]

    def named_between(self, start: int, end: int) -> bool:
        """Return whether a name of a stranger begins in a part of the text."""
        return bisect_left(self._starts, start) < bisect_left(self._starts, end)

    def last_before(self, position: int) -> int | None:
        """Return where the last name of a stranger before a position begins; None where there is none."""
        place = bisect_left(self._starts, position)
        return self._starts[place - 1] if place else None

    def own_in(self, start: int, end: int) -> bool:
        """Return whether a part of the text says that something is a stranger's, whom one word names: "Eve's"."""
        return bisect_left(self._owners, start) < bisect_left(self._owners, end)

    def may_speak(self, start: int, end: int) -> bool:
        """Return whether a part of the text is in the first person, which may be a stranger's: of a letter, a chat."""
        if not self.mentions:
            return False
        place = start, end
        if place not in self._spoken:  # a record is long, and holds many secrets
            self._spoken[place] = _FIRST_PERSON.search(self._text, start, end) is not None
        return self._spoken[place]

    def _overlap(self, mention: Mention) -> bool:
        return bisect_left(self._starts, mention.end) > bisect_right(self._reach, mention.start)


def _find(
    text: str, spans: Sequence[Span], mentions: Sequence[Mention], subjects: Sequence[str], shapes: Shapes
) -> list[Shape]:
    """Return the shapes that name no known person, and the people whom a model found, by position."""
    taken = [(mention.start, mention.end) for mention in mentions]
    taken += [(span.start, span.end) for span in spans]
    taken.sort()
    found = shapes.find(text, taken)
    if found:  # the town after an address is nobody
        ends = {span.end for span in spans if span.entity_type in _ADDRESSES}
        found = [s for s in found if not (text[s.start - 2 : s.start] == ", " and s.start - 2 in ends)]
    for span in spans:
        if span.entity_type == "PERSON":
            found.append(Shape(span.start, span.end, tuple(text[span.start : span.end].split())))
    if found:
        known = KnownNames(subjects)
        found = sorted(shape for shape in found if not known.have(_words(shape, text)))
    return found


class KnownNames:
    """The words of known names. Whether a name is a form of one of them takes no time for each."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self._names: set[frozenset[str]] = set()
        self._having: dict[str, set[int]] = defaultdict(set)  # by word, or by initial with a full stop
        for number, subject in enumerate(subjects):
            words = subject.casefold().split()
            self._names.add(frozenset(words))
            for word in words:
                self._having[word].add(number)
                self._having[word[0] + "."].add(number)

    def have(self, words: Sequence[str]) -> bool:
        """Return whether words may be a form of a known name: a part of it, initials, or with more names in it."""
        if set.intersection(*(self._having.get(word, set()) for word in words)):
            return True
        counts = range(2, len(words)) if len(words) <= MOST_WORDS else ()
        return any(frozenset(some) in self._names for count in counts for some in combinations(words, count))


def _words(shape: Shape, text: str) -> list[str]:
    """Return the words of a shape, folded; without the first where a particle follows, as in "Adresse von Ada"."""
    words = [word.casefold() for word in shape.words]
    words = [word + "." if len(word) == 1 else word for word in words]
    pieces = text[shape.start : shape.end].split()
    return words[1:] if len(words) > 1 and pieces[1] in PARTICLES else words
