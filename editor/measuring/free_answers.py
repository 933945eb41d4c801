"""What a model answers by itself: generated after questions, and searched for every secret in scope.

A one-pass score asks for a secret right after a prompt. A chat model may say something else first, and the secret then.
So its answers to a sample of questions are generated greedily, nothing of them begun for it. Wherever one holds a
secret in any spelling, a probe is made that asks for it after the question and what the model said before it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from detectors import Register
from detectors.conversation import ASSISTANT, USER, Utterance, read_turns, write_turns
from editor.measuring.aggregate import Scored, joined, score_probes
from editor.model.generation import complete
from editor.model.loading import LoadedModel
from editor.processes import group
from editor.questions.asking import SPOKEN, ask
from editor.questions.probes import Probe, Target, sample
from editor.questions.spellings import Spelling, spellings
from policies import DecodingSettings

QUESTIONS = 60
"""Most questions that are answered by generation."""
QUESTIONS_A_FACT = 4
LENGTH = 64
"""Tokens of an answer."""
AT_A_TIME = 20
"""Answers generated together."""


def free_questions(loaded: LoadedModel, probes: Iterable[Probe], seed: int) -> list[Probe]:
    """Return what is asked, as conversations that end with the user: a few for each fact, at most `QUESTIONS`.

    These are the conversations of the corpus and, of a chat model, what a user would ask. A model without a template
    that was not taught conversations is asked nothing: there the secret follows the prompt, or does not come.

    Args:
        loaded: the model that will answer.
        probes: probes, of which those of facts in scope are taken.
        seed: seed of the sample.
    """
    by_target: dict[Target, dict[str, Probe]] = defaultdict(dict)
    for probe in probes:
        if not probe.must_not_leak:
            continue
        turns = read_turns(probe.prompt)
        if turns and turns[-1].role == ASSISTANT:
            turns.pop()
        if not turns and loaded.chat and probe.wording in SPOKEN:
            turns = [Utterance(USER, probe.prompt)]
        if turns:
            prompt = write_turns(turns)
            by_target[probe.target][prompt] = replace(probe, prompt=prompt, spelling="as found")
    each = max(1, min(QUESTIONS_A_FACT, QUESTIONS // max(1, len(by_target))))
    chosen = [one for mine in by_target.values() for one in sample(mine.values(), each, seed)]
    return sample(chosen, QUESTIONS, seed)


def free_answers(
    loaded: LoadedModel,
    questions: Sequence[Probe],
    targets: Sequence[Target],
    progress: Callable[[int], None] | None = None,
) -> list[Probe]:
    """Return a probe for each secret that the model says by itself, after what it said before it.

    Args:
        loaded: the model that answers.
        questions: what it is asked (`free_questions`).
        targets: facts whose secrets are looked for in all answers.
        progress: called with the number of questions answered after each batch.
    """
    found: dict[tuple[Target, Spelling, str], Probe] = {}
    secrets = _Secrets(targets)
    parts = [questions[start : start + AT_A_TIME] for start in range(0, len(questions), AT_A_TIME)]
    answered = group().each("answers", parts, lambda some: _answers(loaded, some), cost=len)
    for some, answers in zip(parts, answered, strict=True):
        for question, answer in zip(some, answers, strict=True):
            for target, spelling, place in secrets.said_in(answer):
                begun = Utterance(ASSISTANT, answer[:place].rstrip())
                prompt = write_turns([*read_turns(question.prompt), begun])
                found[target, spelling, prompt] = Probe(
                    target=target, prompt=prompt, wording="free", split="verification", spelling=spelling
                )
        if progress is not None:
            progress(len(some))
    return list(found.values())


def with_free_answers(
    scored: Scored,
    loaded: LoadedModel,
    answers: Sequence[Probe],
    said: Sequence[Probe],
    settings: DecodingSettings,
) -> Scored:
    """Return scores with those of free answers.

    Args:
        scored: scores of other probes.
        loaded: the same model.
        answers: free answers, of this model or of another.
        said: those of them that this model gave: each is greedy, whatever other tokens would spell it.
        settings: the policy's decoding settings.
    """
    if not answers:
        return scored
    more = score_probes(loaded, answers, settings)
    given = set(map(id, said))
    greedy = more.scores.greedy | np.array([id(probe) in given for probe in answers])
    return joined(scored, replace(more, scores=replace(more.scores, greedy=greedy)))


def _answers(loaded: LoadedModel, questions: Sequence[Probe]) -> list[str]:
    """Return what greedy decoding answers to each, up to where it ends."""
    room = max(1, loaded.context_length - LENGTH)
    asked = [ask(loaded, question) for question in questions]
    prompts = [
        loaded.tokenizer(text, add_special_tokens=not framed)["input_ids"][-room:] for text, framed in asked
    ]
    end = loaded.tokenizer.eos_token_id
    made = complete(loaded, prompts, LENGTH)
    return [loaded.tokenizer.decode(row[: row.index(end)] if end in row else row) for row in made]


class _Secrets:
    """The secrets of many facts, found in a text in time that depends on the text alone."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._register = Register()
        self._owners: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            self._register.add(target.answer, spellings(target.answer).values())
            self._owners[self._register.canonical(target.answer) or target.answer].append(target)

    def said_in(self, text: str) -> Iterator[tuple[Target, Spelling, int]]:
        """Yield the facts whose secret a text holds, its spelling, and where it first stands."""
        seen: set[Target] = set()
        for mention in self._register.find(text):
            said = text[mention.start : mention.end]
            for target in self._owners[mention.subject]:
                if target not in seen:
                    seen.add(target)
                    written = {form: name for name, form in spellings(target.answer).items()}
                    yield target, written.get(said, "as found"), mention.start
