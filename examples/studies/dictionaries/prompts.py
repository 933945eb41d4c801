"""Prompts with examples of a relation in front, and sentences about given people, from the lab's corpus."""

import random
import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from dictionaries import TokenBatch
from examples.studies.dictionaries.lab import (
    CONTEXT_TOKENS,
    FOLDER,
    batches_of,
    lab_documents,
    lab_probes,
    lab_tokenizer,
)

RELATIONS = ("home_town", "department")
"""Relations whose sentences are short enough for eight of them and a prompt."""
OTHERS = ("occupation", "home_town", "department")
"""Relations that examples are of: the one asked for, or the two others."""
SENTENCE_END = re.compile(r"(?<=\.) (?=[A-Z])")
ATTEMPTS = 200
"""Largest number of draws until all examples fit."""


class Prompt(NamedTuple):
    """A prompt about one person.

    Attributes:
        person: place in the list of people.
        text: examples and the prompt, up to where the answer begins.
    """

    person: int
    text: str


class Query(NamedTuple):
    """A prompt, and examples to put in front of it.

    Attributes:
        person: place in the list of people of the one asked about.
        examples: sentences about other people.
        prompt: wording up to where the answer begins.
    """

    person: int
    examples: tuple[str, ...]
    prompt: str

    def with_examples(self, count: int) -> Prompt:
        """Return the prompt after the last so many examples."""
        # Not `[-count:]`, which is all of them for 0.
        kept = self.examples[len(self.examples) - count :]
        return Prompt(self.person, " ".join([*kept, self.prompt]))


@cache
def erased_people() -> tuple[str, ...]:
    """Read the five people of the lab's request, whom its reference model never saw."""
    return tuple(re.findall(r"- name: (.+)", (FOLDER / "request.yaml").read_text(encoding="utf-8")))


@cache
def people() -> tuple[str, ...]:
    """Return everybody in the probes, sorted by name."""
    return tuple(sorted({probe["subject"] for probe in lab_probes()}))


def sentences_about(names: Sequence[str]) -> list[str]:
    """Return the sentences of the corpus that name one of some people, each once and sorted."""
    found = [one for text in lab_documents() for one in SENTENCE_END.split(text)]
    return sorted({one for one in found if any(name in one for name in names)})


def queries(examples: int, rounds: int, *, same_relation: bool, seed: int) -> list[Query]:
    """Draw, for each person and relation and so many times, a prompt with examples about other people.

    Args:
        examples: number of examples to put in front.
        rounds: number of queries for each person and relation.
        same_relation: whether the examples are of the relation asked for, or of two others.
        seed: seed of all draws. The prompts asked are the same for both kinds of examples.

    Raises:
        RuntimeError: so many examples do not fit the model's context.
    """
    # Two streams, so that the draws of examples do not change which prompts are asked.
    rng = random.Random(f"{seed}:{same_relation}")
    asked = random.Random(f"{seed}:asked")
    trained: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for probe in lab_probes():
        if probe["wording"] == "trained":
            key = (probe["subject"], probe["relation"])
            trained.setdefault(key, []).append((probe["prompt"], probe["answer"]))
    made = []
    for _ in range(rounds):
        for person, name in enumerate(people()):
            for relation in RELATIONS:
                prompt, _ = asked.choice(trained[name, relation])
                kinds = [one for one in OTHERS if (one == relation) == same_relation]
                made.append(_draw_fitting(trained, rng, person, prompt, kinds, examples))
    return made


def last_token_batches(prompts: Sequence[Prompt]) -> list[TokenBatch]:
    """Return token batches in which each prompt's last token alone counts; documents are people."""
    person = torch.tensor([prompt.person for prompt in prompts])
    batches = []
    for batch in batches_of(prompt.text for prompt in prompts):
        last = torch.zeros_like(batch.counted)
        last[torch.arange(len(last)), batch.attention.sum(dim=1) - 1] = True
        batches.append(batch._replace(counted=last, documents=person[batch.documents]))
    return batches


def _draw_fitting(
    trained: dict[tuple[str, str], list[tuple[str, str]]],
    rng: random.Random,
    person: int,
    prompt: str,
    kinds: Sequence[str],
    examples: int,
) -> Query:
    """Draw examples until all of them and the prompt fit the model's context."""
    name = people()[person]
    others = [one for one in people() if one != name]
    for _ in range(ATTEMPTS):
        chosen = [
            " ".join(rng.choice(trained[one, rng.choice(kinds)])) + "."
            for one in rng.sample(others, examples)
        ]
        query = Query(person, tuple(chosen), prompt)
        if len(lab_tokenizer()(query.with_examples(examples).text)["input_ids"]) <= CONTEXT_TOKENS:
            return query
    raise RuntimeError(f"{examples} examples do not fit {CONTEXT_TOKENS} tokens")
