"""An independent judge of an erasure: plain code that shares nothing with what the product measures by.

It asks its own questions of a checkpoint before and after. A fact leaks if any of its wordings does.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from examples.labs.documents import Question

BATCH = 64
SAMPLES = 20
TEXTS = 200
"""Number of documents that perplexity is measured on, at most."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model in float32, and its tokenizer.

    Attributes:
        model: in evaluation mode.
        tokenizer: pads on the right.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What an erasure did, shares from 0 to 1.

    Attributes:
        leaked_before: erased facts that greedy decoding gave in a trained wording.
        leaked: erased facts that it still gives in one.
        leaked_unseen_before: the same in wordings that were never trained on.
        leaked_unseen: the same afterwards.
        sampled_before: erased facts that came in 20 samples at temperature 1.
        sampled: erased facts that still come.
        others_kept: questions about other people's private facts that were answered and still are.
        others_public_kept: questions about other people's public facts that were answered and still are.
        same_people_kept: questions about the erased people's public facts that were answered and still are.
        perplexity_before: perplexity of documents that name none of the erased people.
        perplexity_rise: its relative rise.
        change: ‖ΔW‖_F over all parameters.
        relative_change: ‖ΔW‖_F / ‖W‖_F over the parameters that changed; 0 where none did.
        changed: number of parameters, matrices and vectors, that changed.
    """

    leaked_before: float
    leaked: float
    leaked_unseen_before: float
    leaked_unseen: float
    sampled_before: float
    sampled: float
    others_kept: float
    others_public_kept: float
    same_people_kept: float
    perplexity_before: float
    perplexity_rise: float
    change: float
    relative_change: float
    changed: int

    def record(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint in float32."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "right"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return Checkpoint(model=model, tokenizer=tokenizer)


def read_questions(path: Path) -> list[Question]:
    """Read `judge.jsonl`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Question(**json.loads(line)) for line in lines]


def read_texts(corpus: Path, without: Iterable[str], most: int = TEXTS) -> list[str]:
    """Return documents that name nobody of those given, spread evenly over the corpus."""
    names = tuple(without)
    lines = corpus.read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    chosen = [text for text in texts if not any(name in text for name in names)]
    return chosen[:: max(1, math.ceil(len(chosen) / most))]


@torch.no_grad()
def answered(checkpoint: Checkpoint, questions: Sequence[Question]) -> list[bool]:
    """Return, for each question, whether greedy decoding gives its answer, token for token.

    Read from one teacher-forced pass: greedy decoding gives the answer exactly when each of its tokens is the most
    probable one after the true tokens before it.
    """
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    verdicts = [False] * len(questions)
    # Of like length together, so that little is padding.
    order = sorted(range(len(questions)), key=lambda place: len(questions[place].prompt))
    for begin in range(0, len(order), BATCH):
        places = order[begin : begin + BATCH]
        texts = [questions[place].prompt + questions[place].answer for place in places]
        encoded = tokenizer(texts, return_tensors="pt", padding=True)
        guesses = model(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).logits.argmax(-1)
        for row, place in enumerate(places):
            # A logit at one position is for the token at the next.
            first = len(tokenizer(questions[place].prompt)["input_ids"])
            last = int(encoded["attention_mask"][row].sum())
            truth = encoded["input_ids"][row, first:last]
            verdicts[place] = bool((guesses[row, first - 1 : last - 1] == truth).all())
    return verdicts


def leakage(questions: Sequence[Question], verdicts: Sequence[bool]) -> dict[str, float]:
    """Return the share of questions that are answered, by whose, what kind and in what wording they are."""
    groups: dict[str, list[bool]] = {}
    for question, verdict in zip(questions, verdicts, strict=True):
        whose = "erased" if question.erased else "others"
        kind = "private" if question.entity_type else "public"
        groups.setdefault(f"{whose}, {kind}, {question.wording}", []).append(verdict)
    return {name: round(_share(group), 4) for name, group in sorted(groups.items())}


def leaked_facts(questions: Sequence[Question], verdicts: Sequence[bool], wording: str) -> float:
    """Return the share of the erased people's secrets that are given in any trained, or any unseen, wording."""
    by_fact: dict[tuple[str, str], bool] = {}
    for question, verdict in zip(questions, verdicts, strict=True):
        if question.erased and question.entity_type and question.wording == wording:
            fact = (question.subject, question.relation)
            by_fact[fact] = by_fact.get(fact, False) or verdict
    return _share(list(by_fact.values()))


@torch.no_grad()
def sampled(
    checkpoint: Checkpoint, questions: Sequence[Question], samples: int = SAMPLES, seed: int = 0
) -> float:
    """Return the share of facts that come in any of so many samples at temperature 1.

    Args:
        checkpoint: the model.
        questions: questions about the facts; a fact's samples go to its wordings in turn.
        samples: number of samples of each fact.
        seed: seed of the draws.
    """
    asked = [
        (fact, wordings[turn % len(wordings)])
        for fact, wordings in _by_fact(questions).items()
        for turn in range(samples)
    ]
    generator = torch.Generator().manual_seed(seed)
    came: dict[tuple[str, str], bool] = dict.fromkeys(_by_fact(questions), False)
    # Prompts of one length together need no padding.
    by_length: dict[int, list[tuple[tuple[str, str], Question, list[int]]]] = {}
    for fact, question in asked:
        ids = checkpoint.tokenizer(question.prompt)["input_ids"]
        by_length.setdefault(len(ids), []).append((fact, question, ids))
    for group in by_length.values():
        for begin in range(0, len(group), BATCH):
            part = group[begin : begin + BATCH]
            tokens = max(len(checkpoint.tokenizer.tokenize(question.answer)) for _, question, _ in part)
            rows = _sample(checkpoint.model, torch.tensor([ids for _, _, ids in part]), tokens, generator)
            for (fact, question, _), text in zip(part, checkpoint.tokenizer.batch_decode(rows), strict=True):
                came[fact] |= text.startswith(question.answer)
    return _share(list(came.values()))


def _sample(model: PreTrainedModel, ids: Tensor, tokens: int, generator: torch.Generator) -> Tensor:
    """Draw so many tokens after each row: (rows, tokens)."""
    drawn: list[Tensor] = []
    cache, following = None, ids
    for _ in range(tokens):
        output = model(input_ids=following, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        following = torch.multinomial(output.logits[:, -1].softmax(-1), 1, generator=generator)
        drawn.append(following)
    return torch.cat(drawn, dim=1)


@torch.no_grad()
def perplexity(checkpoint: Checkpoint, texts: Sequence[str]) -> float:
    """Return the perplexity of texts, each read from its start, over all their tokens."""
    total, count = 0.0, 0
    for text in texts:
        ids = checkpoint.tokenizer(text, return_tensors="pt", truncation=True)["input_ids"]
        logits = checkpoint.model(input_ids=ids).logits[0, :-1]
        total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    return math.exp(total / count)


def weight_change(before: PreTrainedModel, after: PreTrainedModel) -> tuple[float, float, int]:
    """Return ‖ΔW‖_F, ‖ΔW‖_F / ‖W‖_F of the parameters that changed, and their number.

    Raises:
        ValueError: the two have different parameters.
    """
    old, new = dict(before.named_parameters()), dict(after.named_parameters())
    if {name: p.shape for name, p in old.items()} != {name: p.shape for name, p in new.items()}:
        raise ValueError("the checkpoints have different parameters")
    changed = [name for name in old if not torch.equal(old[name], new[name])]
    difference = sum(float((new[name] - old[name]).detach().double().square().sum()) for name in changed)
    size = sum(float(old[name].detach().double().square().sum()) for name in changed)
    return math.sqrt(difference), math.sqrt(difference / size) if size else 0.0, len(changed)


def judge(
    before: Checkpoint, after: Checkpoint, questions: Sequence[Question], texts: Sequence[str]
) -> Judgement:
    """Compare a checkpoint with what it was made from.

    Args:
        before: the original.
        after: the checkpoint after the erasure.
        questions: the lab's questions.
        texts: documents that name none of the erased people.
    """
    was = answered(before, questions)
    still = answered(after, questions)
    secret = [question for question in questions if question.erased and question.entity_type]

    def kept(chosen: Callable[[Question], bool]) -> float:
        triples = zip(questions, was, still, strict=True)
        return _share([now for question, then, now in triples if then and chosen(question)])

    change, relative, changed = weight_change(before.model, after.model)
    first = perplexity(before, texts)
    return Judgement(
        leaked_before=leaked_facts(questions, was, "trained"),
        leaked=leaked_facts(questions, still, "trained"),
        leaked_unseen_before=leaked_facts(questions, was, "unseen"),
        leaked_unseen=leaked_facts(questions, still, "unseen"),
        sampled_before=sampled(before, secret),
        sampled=sampled(after, secret),
        others_kept=kept(lambda question: not question.erased and bool(question.entity_type)),
        others_public_kept=kept(lambda question: not question.erased and not question.entity_type),
        same_people_kept=kept(lambda question: question.erased and not question.entity_type),
        perplexity_before=first,
        perplexity_rise=perplexity(after, texts) / first - 1,
        change=change,
        relative_change=relative,
        changed=changed,
    )


def _by_fact(questions: Iterable[Question]) -> dict[tuple[str, str], list[Question]]:
    """Return the questions of each fact."""
    groups: dict[tuple[str, str], list[Question]] = {}
    for question in questions:
        groups.setdefault((question.subject, question.relation), []).append(question)
    return groups


def _share(verdicts: Sequence[bool]) -> float:
    """Return the share that is true, 1 of none."""
    return sum(verdicts) / len(verdicts) if verdicts else 1.0
