"""Which data subject a secret is about, and the text that leads to it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from detectors.fact import PREFIX_CHARACTERS, Span
from detectors.register import Mention, Register
from detectors.sentences import Sentences

LEAST_PARTIAL_CHARACTERS = 3
How = Literal["sentence", "earlier sentence", "document"]


class Link(NamedTuple):
    """A secret's data subject.

    Attributes:
        subject: the name that the fact carries.
        how: the sentence names the subject, an earlier one does, or only the document as a whole.
        anchor: where the sentence begins from which the secret can be understood.
    """

    subject: str
    how: How
    anchor: int


class Linker:
    """Links the secrets of one document to people.

    1. A sentence that names people decides alone. If it begins with a secret ("555-0199 is the number to dial
       for Ada Quill."), each secret belongs to the next person named after it; otherwise to the last one
       before it.
    2. Otherwise the nearest earlier sentence that names somebody decides, by the first person it names: its
       grammatical subject, to whom "her number" most likely refers. Where the document says whom it is about,
       nobody else counts here.
    3. Otherwise the one person whom the document is about, or the only one it names.

    A document's people are also found by a part of their name that no other of them has ("Ada", "Ms. Quill"),
    in sentences that name nobody in full.

    Args:
        text: of the document.
        sentences: of the text.
        spans: its secrets, by position. A name inside a secret names nobody.
        register: everybody known.
        about: the people whom the document says it is about.
    """

    def __init__(
        self, text: str, sentences: Sentences, spans: Sequence[Span], register: Register, about: Sequence[str]
    ) -> None:
        self._sentences = sentences
        self._about = tuple(register.canonical(name) or name for name in about)
        mentions = _outside(register.find(text), spans)
        self.subjects = tuple(dict.fromkeys([*self._about, *(mention.subject for mention in mentions)]))
        self._named = self._by_sentence(mentions)
        for index, partial in self._by_sentence(
            _outside(_partial_mentions(text, self.subjects), spans)
        ).items():
            self._named.setdefault(index, partial)
        self._first_secret: dict[int, int] = {}
        for span in spans:
            self._first_secret.setdefault(sentences.index(span.start), span.start)

    def link(self, span: Span) -> Link | None:
        """The subject of a secret, or None where nothing tells."""
        index = self._sentences.index(span.start)
        named = self._named.get(index)
        start = self._sentences.starts[index]
        if named:
            return Link(self._of_sentence(span, named, self._first_secret[index]), "sentence", start)
        return self._of_earlier(index) or self._of_document(start)

    def _by_sentence(self, mentions: Sequence[Mention]) -> dict[int, list[Mention]]:
        grouped: dict[int, list[Mention]] = defaultdict(list)
        for mention in mentions:
            grouped[self._sentences.index(mention.start)].append(mention)
        return dict(grouped)

    @staticmethod
    def _of_sentence(span: Span, named: Sequence[Mention], first_secret: int) -> str:
        before = [mention for mention in named if mention.end <= span.start]
        after = [mention for mention in named if mention.start >= span.end]
        secret_leads = first_secret < named[0].start
        choice = after[0] if after and (secret_leads or not before) else before[-1]
        return choice.subject

    def _of_earlier(self, index: int) -> Link | None:
        for earlier in range(index - 1, -1, -1):
            for mention in self._named.get(earlier, ()):
                if not self._about or mention.subject in self._about:
                    return Link(mention.subject, "earlier sentence", self._sentences.starts[earlier])
        return None

    def _of_document(self, start: int) -> Link | None:
        candidates = self._about or self.subjects
        return Link(candidates[0], "document", start) if len(candidates) == 1 else None


def prefix_of(text: str, span: Span, anchor: int, sentences: Sentences) -> str:
    """The text from `anchor` up to the secret, at most `PREFIX_CHARACTERS` long and without the secret.

    A longer one is cut at the first sentence start, or within a long sentence at the first word, that fits.
    An earlier occurrence of the secret is cut off too: a prompt that holds its own answer tests copying, not
    memory.
    """
    start = max(anchor, span.start - PREFIX_CHARACTERS)
    repeated = text.rfind(text[span.start : span.end], start, span.start)
    if repeated >= 0:
        start = repeated + span.end - span.start
    if start == anchor:
        return text[start : span.start]
    for sentence_start in sentences.starts[sentences.index(start) :]:
        if start <= sentence_start <= span.start:
            return text[sentence_start : span.start]
    return text[_word_start(text, start, span.start) : span.start]


def _word_start(text: str, start: int, stop: int) -> int:
    """The first start of a word in `text[start:stop]`, or `stop`."""
    while start < stop and not (text[start - 1].isspace() and not text[start].isspace()):
        start += 1
    return start


def _outside(mentions: Sequence[Mention], spans: Sequence[Span]) -> list[Mention]:
    """The mentions that overlap no secret: the street in "4 Ada Quill Road" is nobody."""
    return [m for m in mentions if all(m.end <= span.start or span.end <= m.start for span in spans)]


def _partial_mentions(text: str, subjects: Sequence[str]) -> list[Mention]:
    """Mentions by a single word of a name that only one of `subjects` has."""
    owners: dict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        for word in subject.split():
            owners[word].add(subject)
    partial = Register()
    for word, owning in owners.items():
        if len(owning) == 1 and len(word) >= LEAST_PARTIAL_CHARACTERS and word[0].isupper():
            partial.add(next(iter(owning)), [word])
    return partial.find(text)
