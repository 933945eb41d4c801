"""Pairs of prompts that differ in the person asked about, to isolate what a model needs to know the person for.

A clean prompt asks for an erased fact. Its corrupt twin asks for the same relation of another person in as many
tokens, most of them the same, so that positions correspond. The answer's tokens are the clean ones in both: what
differs inside the model is what it makes of the name.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target
from policies.errors import CorpusError

PAIRS = 100
"""Most pairs by default."""


@dataclass(frozen=True, kw_only=True)
class PromptPair:
    """Two sequences of the same length, with the same tokens marked.

    Attributes:
        clean: a probe for an erased fact.
        corrupt: the same answer after another person's prompt.
        shared: share of the prompt's tokens that are the same at the same place, 0 to 1.
    """

    clean: TokenSequence
    corrupt: TokenSequence
    shared: float = field(default=0.0)


def make_pairs(
    loaded: LoadedModel,
    asked: Sequence[Probe],
    others: Sequence[Probe],
    *,
    count: int = PAIRS,
    seed: int = 0,
) -> list[PromptPair]:
    """Pair probes for erased facts with those for other people's facts of the same relation.

    Args:
        loaded: the model whose tokenizer is used.
        asked: probes for erased facts.
        others: probes about other people.
        count: the most pairs; each fact gives its most alike ones, and all facts the same number where they can.
        seed: the seed of the choice among twins that are equally alike.

    Returns:
        The pairs, `index` being a pair's place.

    Raises:
        CorpusError: no prompt about anybody else is as long as one about an erased fact.
    """
    twins: dict[tuple[str, int], list[tuple[Probe, tuple[int, ...]]]] = defaultdict(list)
    for probe, sequence in zip(others, encode_probes(loaded, others), strict=True):
        prompt = _prompt(sequence)
        twins[probe.target.relation, len(prompt)].append((probe, prompt))
    by_fact: dict[Target, list[PromptPair]] = defaultdict(list)
    for probe, sequence in zip(asked, encode_probes(loaded, asked), strict=True):
        candidates = [
            twin
            for twin in twins.get((probe.target.relation, len(_prompt(sequence))), [])
            if twin[0].target.subject != probe.target.subject
        ]
        if candidates:
            by_fact[probe.target].append(_pair(probe, sequence, candidates, seed))
    if not by_fact:
        raise CorpusError(
            "No prompt about another person is as long as one about an erased fact, so none can be contrasted",
            "Give a corpus with more people, or a policy with `templates` for the entity types",
        )
    pairs = list(_in_turns([sorted(p, key=lambda pair: -pair.shared) for p in by_fact.values()]))[:count]
    return [
        replace(
            pair,
            clean=replace(pair.clean, index=place),
            corrupt=replace(pair.corrupt, index=place),
        )
        for place, pair in enumerate(pairs)
    ]


def _prompt(sequence: TokenSequence) -> tuple[int, ...]:
    return sequence.ids[: sequence.marked.index(True)]


def _pair(
    probe: Probe,
    sequence: TokenSequence,
    candidates: Sequence[tuple[Probe, tuple[int, ...]]],
    seed: int,
) -> PromptPair:
    prompt = _prompt(sequence)

    def rank(candidate: tuple[Probe, tuple[int, ...]]) -> tuple[int, bytes]:
        other, ids = candidate
        text = f"{seed}\0{probe.prompt}\0{other.prompt}\0{other.target.answer}"
        return _same(prompt, ids), hashlib.blake2b(text.encode(), digest_size=8).digest()

    best = max(candidates, key=rank)[1]
    return PromptPair(
        clean=sequence,
        corrupt=replace(sequence, ids=(*best, *sequence.ids[len(best) :])),
        shared=_same(prompt, best) / len(prompt),
    )


def _same(first: Sequence[int], second: Sequence[int]) -> int:
    return sum(a == b for a, b in zip(first, second, strict=True))


def _in_turns(lists: Sequence[Sequence[PromptPair]]) -> Iterator[PromptPair]:
    """Yield the first of each, then the second of each, and so on."""
    for place in range(max(map(len, lists))):
        yield from (items[place] for items in lists if place < len(items))
