"""Secrets that data subjects hand in with their requests: facts that are asked for whether or not they were found."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from detectors.fact import Fact, secret_key
from policies import ErasureRequest


def handed_in(requests: Iterable[ErasureRequest], found: Sequence[Fact] = ()) -> tuple[Fact, ...]:
    """Return what requests hand in as facts without a source, but for what is among a person's facts already.

    Args:
        requests: the requests.
        found: facts that were found; a secret in another spelling counts as found.
    """
    known = {(fact.subject, secret_key(fact.entity_type, fact.secret)) for fact in found}
    given: dict[tuple[str, tuple[str, str]], Fact] = {}
    for subject in (subject for request in requests for subject in request.subjects):
        for entity_type, secret in subject.secrets:
            key = secret_key(entity_type, secret)
            if not any((name, key) in known for name in (subject.name, *subject.aliases)):
                fact = Fact(subject=subject.name, entity_type=entity_type, secret=secret, sources=())
                given.setdefault((subject.name, key), fact)
    return tuple(given.values())


def not_detected(given: Iterable[Fact]) -> Iterator[str]:
    """Yield a sentence on each entity type of which something was handed in that detection did not find."""
    for entity_type, count in sorted(Counter(fact.entity_type for fact in given).items()):
        which, are = ("a secret", "It is") if count == 1 else (f"{count} secrets", "They are")
        yield (
            f"{entity_type}: detection did not find {which} that the data subjects handed in. {are} asked for in the "
            "policy's wordings alone"
        )
