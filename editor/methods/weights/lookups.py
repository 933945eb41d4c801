"""Where erased facts are looked up: the token at which a prompt has named its subject, one memory a subject.

A prompt that does not name its subject is looked up at its last token, as a memory of the fact's own.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Int
from torch import Tensor

from editor.locators.problem import EditProblem
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes, name_ends
from editor.questions.probes import Probe


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """Sequences with the token of each at which a memory is looked up.

    Attributes:
        sequences: tokens, with the place in this list as `index`.
        places: place of the lookup's token in each of them.
        memories: number of each one's memory i, counted from 0.
    """

    sequences: Sequence[TokenSequence] = field(repr=False)
    places: Int[Tensor, " sequences"]
    memories: Int[Tensor, " sequences"]


def fact_lookups(problem: EditProblem) -> Lookups:
    """Find where the probes to erase look their facts up, one memory a subject."""
    # By default the last token of the prompt, as a memory of the fact's own.
    places = [sequence.marked.index(True) - 1 for sequence in problem.erase]
    owners: list[Hashable] = list(problem.fact_of)
    named = _select_naming(problem.asked)
    ends = name_ends(problem.loaded, list(named.values()), [problem.erase[place] for place in named])
    for (place, probe), end in zip(named.items(), ends, strict=True):
        # A name that touches the answer may end in a token that counts as the answer's.
        places[place] = min(places[place], end)
        owners[place] = probe.target.subject
    # Numbers of memories, in the order in which their owners come first.
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    return Lookups(
        sequences=[replace(sequence, index=place) for place, sequence in enumerate(problem.erase)],
        places=torch.tensor(places),
        memories=torch.tensor([numbers[owner] for owner in owners]),
    )


def essence_lookups(problem: EditProblem, facts: Lookups) -> Lookups:
    """Return `SUBJECT is a`, for each memory that has a subject: what comes after it is the essence that MEMIT keeps.

    Args:
        problem: source of the probes and of the tokenizer.
        facts: lookups of the probes to erase, which number the memories.
    """
    # One probe for each memory: all of its probes name the same subject.
    named = {int(facts.memories[place]): probe for place, probe in _select_naming(problem.asked).items()}
    probes = [
        replace(probe, target=replace(probe.target, answer="a"), prompt=f"{probe.target.subject} is")
        for probe in named.values()
    ]
    # As running text, also of a chat model.
    sequences = encode_probes(problem.loaded, [replace(probe, wording="trained") for probe in probes])
    return Lookups(
        sequences=sequences,
        places=torch.tensor(name_ends(problem.loaded, probes, sequences), dtype=torch.long),
        memories=torch.tensor(list(named), dtype=torch.long),
    )


def _select_naming(probes: Sequence[Probe]) -> dict[int, Probe]:
    """Return the probes whose prompts hold their subject's name, by place."""
    return {place: probe for place, probe in enumerate(probes) if probe.names_subject}
