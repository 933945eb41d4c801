"""Questions of a chat: about whom each asks, and the answers that are theirs."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from detectors.corpus import Turn
from detectors.fact import Span
from detectors.people.possessives import owns, relative_end
from detectors.people.register import Mention, Register
from detectors.people.sentences import Sentences
from detectors.people.shapes import Shapes
from detectors.people.strangers import KnownNames

LEAST_WORDS = 2
"""Words of the name of somebody who is known by a question alone: a first name could be anybody's."""
MOST_TURNS = 64
"""Turns before an answer that are looked at for a question that says whom it is about."""
_ASKS = ("?", "？", "؟", "\u037e")
_POSSESSIVE = re.compile(r"['’][sS]?(?!\w)")
_start_of = attrgetter("start")


class People:
    """The people of a register, and those whom the questions of one chat ask about.

    Args:
        register: the people known.
        asked: names of more people.
    """

    def __init__(self, register: Register, asked: Iterable[str]) -> None:
        self._register = register
        self._asked = Register()
        for name in asked:
            self._asked.add(name)

    def canonical(self, name: str) -> str | None:
        """Return the subject that a name belongs to, or None."""
        return self._register.canonical(name) or self._asked.canonical(name)

    def find(self, text: str) -> list[Mention]:
        """Return all mentions, left to right, not overlapping; a name of the register wins."""
        known = self._register.find(text)
        ends = [mention.end for mention in known]
        free = [
            mention
            for mention in self._asked.find(text)
            if (index := bisect_right(ends, mention.start)) == len(known) or known[index].start >= mention.end
        ]
        return sorted([*known, *free], key=_start_of)


class Questions:
    """The questions of a chat.

    Args:
        text: text of the document.
        turns: its turns.
        sentences: its sentences.
    """

    def __init__(self, text: str, turns: Sequence[Turn], sentences: Sentences) -> None:
        self._text = text
        self._turns = turns
        self._sentences = sentences
        self._starts = [turn.start for turn in turns]

    def before(self, position: int) -> Sequence[Turn]:
        """Return what is asked before the answer at a position, the latest first, `MOST_TURNS` at most.

        Nothing where the position is in no answer.
        """
        index = bisect_right(self._starts, position) - 1
        if index < 0 or position >= self._turns[index].end or self._turns[index].role != "assistant":
            return ()
        earlier = reversed(self._turns[max(0, index - MOST_TURNS) : index])
        return [turn for turn in earlier if turn.role == "user"]

    def names(
        self, spans: Iterable[Span], known: Sequence[Mention], about: Iterable[str], shapes: Shapes
    ) -> Iterator[str]:
        """Yield the people whom questions ask about whose answers hold a secret, and whom nobody knows.

        Args:
            spans: the text's secrets.
            known: mentions of people who are known.
            about: names of the people whom the document says it is about.
            shapes: finder of names.
        """
        asked = dict.fromkeys(turn for span in spans for turn in self.before(span.start))
        forms = KnownNames([*about, *(mention.subject for mention in known)])
        for turn in asked:
            taken = [
                (mention.start - turn.start, mention.end - turn.start)
                for mention in known
                if turn.start <= mention.start < turn.end
            ]
            for shape in shapes.find(turn.text_in(self._text), taken):
                is_name = shape.is_name and sum(len(word) > 1 for word in shape.words) >= LEAST_WORDS
                if is_name and not forms.have([word.casefold() for word in shape.words]):
                    yield " ".join(self._text[turn.start + shape.start : turn.start + shape.end].split())

    def person(self, turn: Turn, mentions: Sequence[Mention]) -> Mention | None:
        """Return where a turn names the one person whom it asks about; None where nobody or several may be.

        Several people are told apart by the sentence that asks, and by the thing that is said to be somebody's:
        "Ben Ross is away. What is Ada Quill's number?"
        """
        named = within(mentions, turn.start, turn.end)
        asking = [mention for mention in named if self._asks(mention.start)] or named
        people = {mention.subject for mention in asking}
        owners = [mention for mention in asking if owns(self._text, mention)] if len(people) > 1 else asking
        owning = {mention.subject for mention in owners}
        if len(owning) != 1 or any(relative_end(self._text, mention) is not None for mention in owners):
            return None
        others = (mention for mention in asking if mention.subject not in owning)
        return None if any(_POSSESSIVE.match(self._text, other.end) for other in others) else owners[0]

    def _asks(self, position: int) -> bool:
        start, end = self._sentences.bounds(self._sentences.index(position))
        return self._text[start:end].rstrip().rstrip("\"'”’)").endswith(_ASKS)


def within(mentions: Sequence[Mention], start: int, end: int) -> Sequence[Mention]:
    """Return the mentions that begin in a part of the text."""
    first, last = (bisect_left(mentions, place, key=_start_of) for place in (start, end))
    return mentions[first:last]
