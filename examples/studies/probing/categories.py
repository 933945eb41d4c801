"""Categories of features: where a probe reads, and what it tells apart.

Entity type, position and token class are read at tokens of the corpus; relation, occupation and town at the last token
of questions. All samples of one document, or of one person, fall into the same split.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from editor.case import Case
from editor.locators.probe_data import TEST, TRAIN, VALIDATION, ProbeSplit
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe

DOCUMENTS = 400
"""Number of documents that tokens are drawn from."""
EACH = 3
"""Largest number of positive tokens, and of negative ones, in a document."""
FIRST_TOKENS = 8
"""Number of tokens at a document's beginning that count as first."""
ENTITY = "EMAIL_ADDRESS"
"""Entity type that entity type and relation tell apart from others."""
SHARES = (0.6, 0.2)
"""Shares of groups for training and validation; the rest is for the test."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Samples that one category's probes are fitted to and judged on.

    Attributes:
        sequences: tokens; the one before each marked one is read.
        labels: labels of the marked tokens, 1 or 0, in order of sequence and position.
        groups: document or person of each of them.
    """

    sequences: Sequence[TokenSequence] = field(repr=False)
    labels: Sequence[int] = field(repr=False)
    groups: Sequence[str] = field(repr=False)

    def split(self, seed: int) -> ProbeSplit:
        """Split groups with positives, and those without, into training, validation and test, at random by the seed."""
        positive = {group for group, label in zip(self.groups, self.labels, strict=True) if label}
        generator = np.random.default_rng(seed)
        part: dict[str, int] = {}
        for some in (sorted(positive), sorted(set(self.groups) - positive)):
            order = generator.permutation(len(some))
            # Places in the order at which training and validation end.
            ends = np.round(np.cumsum(SHARES) * len(some)).astype(int)
            for rank, place in enumerate(order):
                part[some[place]] = TRAIN if rank < ends[0] else VALIDATION if rank < ends[1] else TEST
        return ProbeSplit(
            labels=np.array(self.labels), split=np.array([part[group] for group in self.groups])
        )


Build = Callable[[Case, LoadedModel], Samples]


def entity_type(case: Case, loaded: LoadedModel) -> Samples:
    """Sample tokens inside e-mail addresses, against others."""
    # (start, end) of the addresses in each document.
    spans: dict[str, list[tuple[int, int]]] = {}
    for fact in case.facts:
        for source in fact.sources if fact.entity_type == ENTITY else ():
            spans.setdefault(source.document, []).append((source.start, source.end))

    def inside(document: str, _: int, start: int, end: int, __: str) -> bool:
        return any(start < stop and end > begin for begin, stop in spans.get(document, ()))

    return _tokens(case, loaded, inside)


def position(case: Case, loaded: LoadedModel) -> Samples:
    """Sample the first tokens of a document, against later ones."""
    return _tokens(case, loaded, lambda _, place, __, ___, ____: place < FIRST_TOKENS)


def token_class(case: Case, loaded: LoadedModel) -> Samples:
    """Sample tokens of digits, against others."""
    return _tokens(case, loaded, lambda _, __, ___, ____, text: text.strip().isdigit())


def relation(case: Case, loaded: LoadedModel) -> Samples:
    """Sample questions for an e-mail address, against those for other personal data."""
    asked = [probe for probe in case.probes if probe.target.personal and probe.target.group != "decoys"]
    return _questions(loaded, asked, lambda probe: probe.target.relation == ENTITY)


def occupation(case: Case, loaded: LoadedModel) -> Samples:
    """Sample questions for an occupation whose answer is the most common one, against the other answers."""
    return _most_common(case, loaded, "occupation")


def town(case: Case, loaded: LoadedModel) -> Samples:
    """Sample questions for a home town whose answer is the most common one, against the other answers."""
    return _most_common(case, loaded, "home_town")


CATEGORIES: Mapping[str, Build] = {
    "entity type": entity_type,
    "relation": relation,
    "occupation": occupation,
    "town": town,
    "position": position,
    "token class": token_class,
}


def _most_common(case: Case, loaded: LoadedModel, name: str) -> Samples:
    """Sample a relation's questions, positive where the answer is the one that most people have."""
    asked = [probe for probe in case.probes if probe.target.relation == name]
    # Each person counts once, however many questions there are.
    people = {(probe.target.subject, probe.target.answer) for probe in asked}
    ((common, _),) = Counter(answer for _, answer in sorted(people)).most_common(1)
    return _questions(loaded, asked, lambda probe: probe.target.answer == common)


def _questions(loaded: LoadedModel, asked: Sequence[Probe], test: Callable[[Probe], bool]) -> Samples:
    """Take each question once, read at its last token.

    Args:
        loaded: source of the tokenizer.
        asked: probes; their answers are not read.
        test: whether a probe is positive.
    """
    first = {probe.prompt: probe for probe in asked}
    probes = list(first.values())
    sequences = []
    for sequence in encode_probes(loaded, probes):
        # Only the answer's first token is marked, so that the token before it is read: the question's last.
        begin = sequence.marked.index(True)
        marked = tuple(place == begin for place in range(len(sequence.marked)))
        sequences.append(TokenSequence(ids=sequence.ids, marked=marked, index=sequence.index))
    return Samples(
        sequences=sequences,
        labels=[int(test(probe)) for probe in probes],
        groups=[probe.target.subject for probe in probes],
    )


def _tokens(case: Case, loaded: LoadedModel, test: Callable[[str, int, int, int, str], bool]) -> Samples:
    """Draw a few positive and negative tokens of each document, by one seed.

    Args:
        case: source of the documents.
        loaded: source of the tokenizer.
        test: whether a token is positive, from its document's id, its place, start and end, and its text.
    """
    generator = np.random.default_rng(0)
    sequences, labels, groups = [], [], []
    for document in case.documents[:DOCUMENTS]:
        encoded = loaded.tokenizer(
            document.text, return_offsets_mapping=True, truncation=True, max_length=loaded.context_length
        )
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        found: dict[bool, list[int]] = {True: [], False: []}
        # The last token is left out: what is marked is the token after the one that is read.
        for place in range(1, len(ids) - 1):
            start, end = offsets[place]
            if end > start:
                is_one = test(document.id, place, start, end, document.text[start:end])
                found[is_one].append(place)
        chosen = {}
        for label, places in found.items():
            drawn = generator.permutation(len(places))[:EACH]
            chosen |= {places[one]: int(label) for one in drawn}
        if not chosen:
            continue
        # A sample is read at its own token, so the token after it is marked.
        marked = tuple(place - 1 in chosen for place in range(len(ids)))
        sequences.append(TokenSequence(ids=tuple(ids), marked=marked, index=len(sequences)))
        labels += [chosen[place] for place in sorted(chosen)]
        groups += [document.id] * len(chosen)
    return Samples(sequences=sequences, labels=labels, groups=groups)
