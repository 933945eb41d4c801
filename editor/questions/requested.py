"""What a request or a probes file names and detection did not find, in sentences that name nobody."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence

from detectors import Document
from detectors.fact import Fact, secret_key
from editor.questions.written import WrittenProbe
from policies import ErasureRequest, Policy, Subject

MOST_NUMBERS = 20
"""Data subjects that a sentence numbers; of more it gives the count."""


class NamesSeen:
    """The aliases and e-mail addresses of a request that a corpus holds, as they are spelled, in any case.

    Args:
        request: the request; None where everybody is in scope.
    """

    def __init__(self, request: ErasureRequest | None) -> None:
        self._asked = [
            (f"{what} {place} of data subject {number}", " ".join(text.casefold().split()))
            for number, subject in enumerate(request.subjects if request else (), start=1)
            for what, texts in (("alias", subject.aliases), ("e-mail address", subject.emails))
            for place, text in enumerate(texts, start=1)
        ]
        self._unseen = {text for _, text in self._asked}

    def look(self, document: Document) -> None:
        """Look into a document for what was not seen before."""
        if self._unseen:
            text = " ".join([*document.text.split(), *document.subjects]).casefold()
            self._unseen = {one for one in self._unseen if one not in text}

    def missing(self) -> Iterator[str]:
        """Yield one sentence on what no document held, where something is."""
        missing = [label for label, text in self._asked if text in self._unseen]
        if missing:
            more = f" and {len(missing) - MOST_NUMBERS} more" if len(missing) > MOST_NUMBERS else ""
            yield (
                f"Named by the request, and nowhere in the text as it is spelled: {', '.join(missing[:MOST_NUMBERS])}"
                f"{more}"
            )


def not_found(
    request: ErasureRequest | None, policy: Policy, facts: Sequence[Fact], written: Iterable[WrittenProbe]
) -> Iterator[str]:
    """Yield a sentence on each entity type of which something that is asked for was not found.

    Without entity types of its own a request asks for those of the policy, of which those count here that most of its
    data subjects have.

    Args:
        request: the request; None where everybody is in scope.
        policy: the policy.
        facts: the facts found.
        written: a probes file's lines.
    """
    if request is not None:
        yield from _types_not_found(request, policy, facts)
    yield from _answers_not_found(request, policy, facts, written)


def _types_not_found(request: ErasureRequest, policy: Policy, facts: Sequence[Fact]) -> Iterator[str]:
    owned = {(fact.subject, fact.entity_type) for fact in facts}
    count = len(request.subjects)
    for entity_type in request.entity_types or policy.entities:
        without = [
            number
            for number, subject in enumerate(request.subjects, start=1)
            if not any((name, entity_type) in owned for name in _names(subject))
        ]
        if without and (request.entity_types or 2 * len(without) < count):
            yield (
                f"{entity_type}: no fact was found about {_numbered(without)} of {count}, so none is measured or erased"
            )


def _answers_not_found(
    request: ErasureRequest | None, policy: Policy, facts: Sequence[Fact], written: Iterable[WrittenProbe]
) -> Iterator[str]:
    found = {(fact.subject, secret_key(fact.entity_type, fact.secret)) for fact in facts}
    asked = {name for subject in request.subjects for name in _names(subject)} if request else None
    given: Counter[str] = Counter()
    lacking: Counter[str] = Counter()
    for subject, key in dict.fromkeys(_answers(written, policy)):
        if asked is None or subject in asked:
            given[key[0]] += 1
            lacking[key[0]] += (subject, key) not in found
    for entity_type, number in sorted((+lacking).items()):
        yield (
            f"{entity_type}: detection did not find {number} of the {given[entity_type]} facts that the probes file "
            "gives about people in scope. They are asked for in its wordings alone"
        )


def _answers(written: Iterable[WrittenProbe], policy: Policy) -> Iterator[tuple[str, tuple[str, str]]]:
    for line in written:
        if line.entity_type is not None and line.entity_type in policy.entities:
            yield line.subject, secret_key(line.entity_type, line.answer)


def _names(subject: Subject) -> Collection[str]:
    return (subject.name, *subject.aliases)


def _numbered(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"data subject {numbers[0]}"
    if len(numbers) > MOST_NUMBERS:
        return f"{len(numbers):,} data subjects"
    return f"data subjects {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
