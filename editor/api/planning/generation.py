"""How much an audit generates: tokens one after another, those of a batch of texts counted once."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from editor.case import Case
from editor.evidence import confirmation, open_text
from editor.measuring import free_answers
from editor.model.loading import LoadedModel
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe

SAMPLED = 200
"""Questions whose answers' length is looked at."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Texts that are generated in batches of equal size.

    Attributes:
        rounds: number of batches.
        rows: texts of a batch.
        prompt: tokens of a prompt, about.
        length: tokens that are generated of each.
        drawn: whether tokens are drawn; else the likeliest are taken.
        shared: whether all texts of a batch have one prompt.
    """

    rounds: int
    rows: int
    prompt: int
    length: int
    drawn: bool = False
    shared: bool = False

    @property
    def steps(self) -> int:
        """Tokens that are generated one after another."""
        return self.rounds * self.length


def audit_generates(
    case: Case, loaded: LoadedModel, probes: Sequence[Probe], *, confirm: int, open_texts: int
) -> Iterator[Generated]:
    """Yield what an audit generates.

    Args:
        case: case.
        loaded: model, whose weights may be missing.
        probes: questions of the audit.
        confirm: number of verdicts compared with generation.
        open_texts: number of texts generated from nothing.
    """
    erased = [probe for probe in probes if probe.is_erased]
    prompt, answer = _lengths(loaded, erased)
    confirmed, tries = min(confirm, len(erased)), case.policy.decoding.budget_tries
    sampled = min(confirmation.SAMPLED, len(erased)) if confirmed else 0
    yield _batched(loaded, confirmed, confirmation.PROMPTS_AT_A_TIME, prompt, answer)
    samples = _batched(loaded, tries, confirmation.SAMPLES_AT_A_TIME, prompt, answer, drawn=True)
    yield Generated(**{**vars(samples), "rounds": samples.rounds * sampled, "shared": True})
    yield _batched(loaded, open_texts, open_text.AT_A_TIME, 1, open_text.LENGTH, drawn=True)
    yield answers_generated(case, loaded, probes)


def answers_generated(case: Case, loaded: LoadedModel, probes: Sequence[Probe]) -> Generated:
    """Return what a model generates that answers freely."""
    questions = free_answers.free_questions(loaded, probes, case.seed)
    prompt, _ = _lengths(loaded, questions)
    return _batched(loaded, len(questions), free_answers.AT_A_TIME, prompt, free_answers.LENGTH)


def _batched(
    loaded: LoadedModel, texts: int, at_a_time: int, prompt: int, length: int, *, drawn: bool = False
) -> Generated:
    most = at_a_time if loaded.passes.batched else 1
    rounds = math.ceil(texts / most)
    rows = math.ceil(texts / rounds) if rounds else 0
    return Generated(rounds=rounds, rows=rows, prompt=prompt, length=length, drawn=drawn)


def _lengths(loaded: LoadedModel, probes: Sequence[Probe]) -> tuple[int, int]:
    """Return the mean number of tokens of a prompt and of an answer, rounded up."""
    some = encode_probes(loaded, probes[:SAMPLED])
    if not some:
        return 0, 0
    answers = [sum(one.marked) for one in some]
    prompts = [len(one.ids) - answer for one, answer in zip(some, answers, strict=True)]
    return math.ceil(sum(prompts) / len(some)), math.ceil(sum(answers) / len(some))
