"""Links from a secret to the data subject it is about."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property, partial
from operator import attrgetter
from typing import Literal, NamedTuple

from detectors.corpus import Turn
from detectors.corpus.records import Field, Fields, Path
from detectors.fact import NOBODY, Span
from detectors.people.asked import People, Questions, within
from detectors.people.letters import is_own, read_letter
from detectors.people.listed import ListedNames
from detectors.people.owners import SentenceOwners, meant_by_pronoun
from detectors.people.register import Mention, Register
from detectors.people.sentences import Sentences
from detectors.people.shapes import Shapes
from detectors.people.strangers import KnownNames, Strangers

LEAST_PARTIAL_CHARACTERS = 3
MOST_SENTENCES = 4
"""Earlier sentences with names in which "he" and "she" are looked for."""
_start_of = attrgetter("start")
How = Literal[
    "record",
    "sentence",
    "secret",
    "question",
    "sender",
    "sentence of several",
    "earlier sentence",
    "document",
    "uncertain",
    "none",
]
CONFIDENCE: dict[How, float] = {
    "record": 0.93,
    "sentence": 0.99,
    "secret": 0.9,
    "question": 0.99,
    "sender": 0.8,
    "sentence of several": 0.8,
    "earlier sentence": 0.99,
    "document": 0.9,
    "uncertain": 0.5,
    "none": 0.0,
}
"""How often each kind of evidence is right: the lower end of the 95% interval on labelled text
(`tests/benchmarks/linking.py`). Nothing labelled was at hand for "secret", "sender" and "sentence of several"; an
"uncertain" link is one of two, both of which are made."""


class Link(NamedTuple):
    """A secret's data subject.

    Attributes:
        subject: the name that the fact carries; `NOBODY` where nothing tells.
        how: the evidence: the secret's record says whose it is; its sentence names one person, or several; the same
            secret is known to be theirs; the question that it answers asks about them; an earlier sentence names
            them; only the document as a whole; or nothing.
        anchor: position where the text begins from which the secret can be understood.
        named_at: position of the first character of the name on which the link rests; None where the text does not
            have it.
    """

    subject: str
    how: How
    anchor: int
    named_at: int | None

    @property
    def confidence(self) -> float:
        """The confidence in the link, 0 to 1."""
        return CONFIDENCE[self.how]


class Linker:
    """The linking of one document's secrets to people.

    1. In a record (JSON, "Name: value" lines) whose field is silent about people, the record's name decides;
       in a record in another record that has no name, that one's. A record of somebody unknown links to nobody.
    2. In the body of a message, what is said to be the writer's, or stands before anybody is named, is the sender's
       (`detectors.people.letters`).
    3. A sentence, or a table's row, that names people decides alone (`detectors.people.owners`).
    4. Otherwise, in an answer of a chat, the person whom the question asks about; where it names nobody, whom the
       last one that does asks about. Where several may be meant, or somebody else is named since, it is nobody's.
    5. Otherwise the nearest earlier sentence that names somebody decides: all whom it names and a pronoun may mean.
       Where the document says whom it is about, nobody else counts here.
    6. Otherwise the one person whom the document is about, or the only one it names.

    A document's people are also found by a part of their name that no other of them has ("Ada", "Ms. Quill"),
    in sentences that name nobody in full.

    Who has the shape of a name and is not known counts in rules 1 to 5 like everybody else: what would be theirs is
    nobody's. Rules 5 and 6 say nothing at all where a stranger is named between the known name and the end of the
    secret's sentence or record.

    Args:
        text: text of the document.
        sentences: the text's sentences.
        spans: spans of the text's secrets, by position, not overlapping. A name inside a secret names nobody.
        register: register of everybody known.
        about: names of the people whom the document says it is about.
        shapes: finder of the names of people who are not known.
        turns: turns of a chat.
        names: finder of the full names of people who are known in this document by being named; None for nobody.

    Attributes:
        subjects: the people whom the document says it is about, or whom it names by a registered name.
    """

    def __init__(
        self,
        text: str,
        sentences: Sentences,
        spans: Sequence[Span],
        register: Register,
        about: Sequence[str],
        shapes: Shapes,
        turns: Sequence[Turn] = (),
        names: ListedNames | None = None,
    ) -> None:
        self._text = text
        self._sentences = sentences
        self._about = tuple(register.canonical(name) or name for name in about)
        mentions = _outside(register.find(text), spans)
        people: Register | People = register
        self._questions = Questions(text, turns, sentences) if turns and spans else None
        met = tuple(self._questions.names(spans, mentions, self._about, shapes)) if self._questions else ()
        if names is not None and spans and not self._about:
            known = KnownNames([*met, *(mention.subject for mention in mentions)])
            met += tuple(name for name in names.full_names(text) if not known.have(name.casefold().split()))
        if met:
            people = People(register, met)
            mentions = _outside(people.find(text), spans)
        self.subjects = tuple(dict.fromkeys([*self._about, *(mention.subject for mention in mentions)]))
        if not spans:
            return
        self._fields = Fields(text, [(turn.start, turn.end) for turn in turns] if turns else ())
        # Without anybody known nobody can be wrongly linked.
        self._strangers = Strangers(text, spans, mentions, self.subjects, shapes, sought=bool(self.subjects))
        self._anybody = partial(Strangers, text, spans, mentions, self.subjects, shapes)
        self._named = self._by_sentence(mentions)
        shortened = self._find_partial(spans) if self.subjects else []
        if shortened or self._strangers.mentions:
            self._add_named(shortened)
        eligible = (
            (index, [m for m in named if not self._about or m.subject in self._about])
            for index, named in sorted(self._named.items())
        )
        self._leading = [(index, named) for index, named in eligible if named]
        self._spans_of: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            self._spans_of[sentences.index(span.start)].append(span)
        self._of_sentences: dict[int, SentenceOwners] = {}
        self._mentions = sorted([*mentions, *shortened, *self._strangers.mentions], key=_start_of)
        self._letter = read_letter(text, self._mentions)
        self._owners = {
            record: self._owner(text, fields, people) for record, fields in self._fields.names().items()
        }

    def _find_partial(self, spans: Sequence[Span]) -> list[Mention]:
        """Return mentions by a part of a name, where they can matter."""
        if not (
            self._fields.fields
            or self._strangers.mentions
            or any(self._sentences.index(span.start) not in self._named for span in spans)
        ):
            return []
        found = _partial_mentions(self._text, self.subjects, self._strangers.words)
        return self._strangers.outside(_outside(found, spans))

    def _add_named(self, shortened: Sequence[Mention]) -> None:
        """Add who is named by a part of a name, where a sentence names nobody in full, and the strangers."""
        for index, named in self._by_sentence(m for m in shortened if m.subject != NOBODY).items():
            self._named.setdefault(index, named)
        unknown = [*self._strangers.mentions, *(m for m in shortened if m.subject == NOBODY)]
        for index, named in self._by_sentence(unknown).items():
            self._named[index] = sorted([*self._named.get(index, ()), *named], key=_start_of)

    def link(self, span: Span) -> Link:
        """Return the first of `links`."""
        return self.links(span)[0]

    def links(self, span: Span) -> tuple[Link, ...]:
        """Return the links to everybody whose a secret may be; one to `NOBODY` where nothing tells."""
        return self._linked(span) or (Link(NOBODY, "none", self._start(span), None),)

    def _linked(self, span: Span) -> tuple[Link, ...]:
        field = self._fields.at(span.start)
        if field is not None and not self._within(field):
            for depth in range(len(field.record), 0, -1):
                if field.record[:depth] in self._owners:
                    return self._of_record(span, field.record[:depth])
        index = self._sentences.index(span.start)
        start = self._sentences.starts[index]
        if self._letter and self._letter.holds(span.start) and self._is_senders(span, index):
            return self._of_sender(self._letter.sender, start)
        if index in self._named:
            return self._of_sentence(span, index)
        if self._questions:
            for turn in self._questions.before(span.start):
                if within(self._mentions, turn.start, turn.end) or self._strangers.own_in(
                    turn.start, turn.end
                ):
                    return self._of_question(span, turn, self._questions.person(turn, self._mentions))
        links = self._of_earlier(span, index) or self._of_document(start)
        weak = not links or any(
            link.subject == NOBODY or self._may_be_strangers(span, link) for link in links
        )
        return () if weak else links

    def _is_senders(self, span: Span, index: int) -> bool:
        """Return whether a secret in a message's body is the sender's."""
        assert self._letter is not None
        start = self._sentences.starts[index]
        if is_own(self._text[max(start, self._letter.start) : span.start]):
            return True
        return not within(self._mentions, self._letter.start, self._sentences.bounds(index)[1])

    def _of_sender(self, sender: Mention | None, start: int) -> tuple[Link, ...]:
        if sender is None or sender.subject == NOBODY:
            return ()
        if self._about and sender.subject not in self._about:
            return ()
        return (Link(sender.subject, "sender", start, sender.start),)

    def _of_sentence(self, span: Span, index: int) -> tuple[Link, ...]:
        """Return the links that a sentence which names people tells; none where it is somebody's who is not known."""
        owners = self._of_sentences.get(index)
        if owners is None:
            owners = SentenceOwners(self._text, self._named[index], self._spans_of[index])
            self._of_sentences[index] = owners
        start, (mentions, how) = self._sentences.starts[index], owners.of(span)
        if any(mention.subject == NOBODY for mention in mentions):
            return ()
        return tuple(Link(mention.subject, how, start, mention.start) for mention in mentions)

    def _may_be_strangers(self, span: Span, link: Link) -> bool:
        """Return whether a stranger is named where a weak link reaches from a known name to a secret."""
        start, end = self._bounds(span.start)
        if self._strangers.named_between(start, end) or self._strangers.own_in(start, end):
            return True
        if self._about:
            return False
        if link.named_at is None:
            return bool(self._strangers.mentions)
        named_from, named_to = self._bounds(link.named_at)
        may_speak = self._strangers.may_speak
        return self._strangers.named_between(named_from, end) or (
            may_speak(start, end) and not may_speak(named_from, named_to)
        )

    def _bounds(self, position: int) -> tuple[int, int]:
        """Return where the sentence at a position begins and ends, or the record where that is longer."""
        start, end = self._sentences.bounds(self._sentences.index(position))
        if field := self._fields.at(position):
            first, last = self._fields.extents[field.record]
            start, end = min(start, first), max(end, last)
        return start, end

    def _start(self, span: Span) -> int:
        """Return where what a secret of nobody's is asked for by begins.

        That is its record, or its sentence, or the line where the secret begins the sentence. Where no stranger is
        named there, it is the sentence that last named one, unless somebody known is named since.
        """
        field = self._fields.at(span.start)
        begin = span.start if field is None else self._fields.extents[field.record][0]
        start = self._sentences.starts[self._sentences.index(begin)]
        start = start if start < span.start else self._text.rfind("\n", 0, span.start) + 1
        named_at = self._unknown.last_before(span.start) if field is None else None
        if named_at is None or named_at >= start:
            return start
        earlier = self._sentences.starts[self._sentences.index(named_at)]
        is_known = any(earlier <= m.start < span.start and m.subject != NOBODY for m in self._mentions)
        return start if is_known else earlier

    @cached_property
    def _unknown(self) -> Strangers:
        """The strangers, looked for where there is nobody known too."""
        return self._strangers if self.subjects else self._anybody()

    def _by_sentence(self, mentions: Iterable[Mention]) -> dict[int, list[Mention]]:
        grouped: dict[int, list[Mention]] = defaultdict(list)
        for mention in mentions:
            grouped[self._sentences.index(mention.start)].append(mention)
        return dict(grouped)

    def _within(self, field: Field) -> list[Mention]:
        first = bisect_left(self._mentions, field.start, key=lambda mention: mention.start)
        last = bisect_left(self._mentions, field.end, key=lambda mention: mention.start)
        return self._mentions[first:last]

    def _owner(
        self, text: str, fields: Sequence[Field], register: Register | People
    ) -> tuple[str, int] | None:
        """Return the subject whom naming fields name and where they begin; None where it is nobody known."""
        if len(fields) == 1 and (mentions := self._within(fields[0])):
            return (mentions[0].subject, mentions[0].start) if mentions[0].subject != NOBODY else None
        subject = register.canonical(" ".join(text[field.start : field.end] for field in fields))
        return (subject, fields[0].start) if subject else None

    def _of_record(self, span: Span, record: Path) -> tuple[Link, ...]:
        owner = self._owners[record]
        if owner is None:
            return ()
        subject, named_at = owner
        begin = min(named_at, span.start)
        anchor = self._sentences.starts[self._sentences.index(begin)]
        return (Link(subject, "record", anchor, named_at),)

    def _of_question(self, span: Span, turn: Turn, asked: Mention | None) -> tuple[Link, ...]:
        """Return the link to whom a question asks about; none where that is nobody known, or not certain."""
        if asked is None or asked.subject == NOBODY or self._strangers.own_in(turn.start, turn.end):
            return ()
        since = within(self._mentions, turn.end, span.start)
        nearest = [m for m in since if self._same_sentence(m, since[-1])]
        if nearest and nearest[0].subject != asked.subject:
            return ()
        start = self._sentences.starts[self._sentences.index(asked.start)]
        return (Link(asked.subject, "question", start, asked.start),)

    def _same_sentence(self, one: Mention, other: Mention) -> bool:
        return self._sentences.index(one.start) == self._sentences.index(other.start)

    def _of_earlier(self, span: Span, index: int) -> tuple[Link, ...]:
        """Return the links to whom the nearest earlier sentence names: to all of several whom a pronoun may mean."""
        place = bisect_left(self._leading, index, key=lambda pair: pair[0]) - 1
        if place < 0:
            return ()
        before = self._text[self._sentences.starts[index] : span.start]
        # Where the document says whom it is about, those whom "she" may mean as well were left out.
        most = 1 if self._about else MOST_SENTENCES
        nearest = self._leading[max(0, place + 1 - most) : place + 1][::-1]
        told = ((earlier, meant_by_pronoun(before, _each_once(named))) for earlier, named in nearest)
        earlier, meant = next(
            ((earlier, meant) for earlier, meant in told if meant), (nearest[0][0], _each_once(nearest[0][1]))
        )
        anchor = self._sentences.starts[earlier]
        how: How = "earlier sentence" if len(meant) == 1 else "uncertain"
        return tuple(Link(mention.subject, how, anchor, mention.start) for mention in meant)

    def _of_document(self, start: int) -> tuple[Link, ...]:
        candidates = self._about or self.subjects
        return (Link(candidates[0], "document", start, None),) if len(candidates) == 1 else ()


def _each_once(named: Sequence[Mention]) -> tuple[Mention, ...]:
    """Return where each person is named first, by position."""
    return tuple({mention.subject: mention for mention in reversed(named)}.values())[::-1]


def _outside(mentions: Sequence[Mention], spans: Sequence[Span]) -> list[Mention]:
    """Return the mentions that overlap no secret: the street in "4 Ada Quill Road" is nobody."""
    ends = [span.end for span in spans]
    outside: list[Mention] = []
    for mention in mentions:
        index = bisect_right(ends, mention.start)  # the first secret that ends after the mention's start
        if index == len(spans) or mention.end <= spans[index].start:
            outside.append(mention)
    return outside


def _partial_mentions(text: str, subjects: Sequence[str], strangers: Collection[str]) -> list[Mention]:
    """Find mentions by a single word of a name that only one of `subjects`, or of the strangers, has."""
    owners: dict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        for word in subject.split():
            owners[word].add(subject)
    for word in strangers:
        owners[word].add(NOBODY)
    words = Register()
    for word, owning in owners.items():
        if len(owning) == 1 and len(word) >= LEAST_PARTIAL_CHARACTERS and word[0].isupper():
            words.add(next(iter(owning)), [word])
    return words.find(text)
