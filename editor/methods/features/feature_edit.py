"""FeatureEdit by descent in the span of located features, the main method.

FeatureEdit (Chen et al. 2025, arXiv:2502.12483) erases facts through the dictionary features that carry them. Here
located features say which weights may change and in which directions (`editor.methods.features.span`); what is
changed there is fitted by Adam (Kingma & Ba 2015, arXiv:1412.6980) on

    L = mean_t [o_t - o(target_t)]₊  +  λ (mean_text D + mean_questions D)        o(p) = ln p/(1 - p)

The first mean is over the secrets' tokens t that identify (`editor.questions.chance`): each is to fall to what chance
gives it, less a margin. Log-odds o are what a token's logit is above all others'. They fall at the same rate wherever
a token stands, where ln p hardly moves at first: a secret learned by heart has p near 1, and ∂ ln p = (1 - p) ∂o.

D is the divergence from the original model (`editor.methods.shared.predictions`), some of it softened, on retained
text, and on questions about what must stay, where facts stand by themselves.

A quarter of a step's secrets are drawn from those that were furthest above their targets when they were last asked, and
half of its questions from those that the edit hurt most (`editor.methods.shared.hard_examples`). Most secrets reach
their targets soon, and few questions are hurt at all: what leaks in the end, and what others lose, are the rest.

The rate falls to zero along a cosine. What is far from its target is reached in the first third of the steps; the
others take back what that cost.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from editor.edits.edit import Edit
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods import METHODS
from editor.methods.features import RANDOM_FEATURES
from editor.methods.features.span import SpanChanges, parts
from editor.methods.method import Control
from editor.methods.shared.hard_examples import HardExamples
from editor.methods.shared.predictions import Predictions
from editor.methods.shared.searching import Range, SearchSpace
from editor.methods.shared.settings import is_large
from editor.methods.shared.token_targets import identifying, log_odds, token_targets
from editor.model.below import Below
from editor.model.epochs import epochs_by_length
from editor.model.loading import LoadedModel
from editor.model.precision import quick_precision, quick_weights
from editor.model.tokens import TokenSequence, gradient_budget
from editor.model.traced_parts import TracedPart, agreeing, traced_parts
from editor.progress import return_memory, tell_step
from editor.questions.retained import LOGIT_ELEMENTS

WARM_UP = 20
"""Steps in which the rate rises."""
WARM_START_RATE = 0.4
"""Share of the rate in a fit that resumes from an edit: it has less far to go."""
COMPARED = 8
"""Secrets on which passes that begin above what is known are compared with whole ones."""
UNSEEN = 10.0
"""Nats above its target that a token counts as before it was asked for: about what a memorised one is."""
STEP_ELEMENTS = LOGIT_ELEMENTS // 4
"""Most logits of retained text in a step."""


@dataclass(frozen=True, kw_only=True)
class FeatureEdit:
    """Descent on the secrets' tokens in the span of located features, held to the original model elsewhere.

    Attributes:
        units: largest number of features whose directions are used, those of highest attribution over all sites.
        margin_nats: nats below chance to which the ln p of an identifying token must fall.
        floor_nats: nats below 0 at which a token's ln p is low enough, whatever chance gives it.
        retain: λ, the weight of what must stay.
        softened: weight of the softened divergence beside D, which also sees what becomes of a certain token's odds.
        steps: number of steps.
        warm_start_steps: number of steps of a fit that resumes from an edit.
        learning_rate: Adam's rate relative to the root mean square of a weight's entries.
        probes: number of probes to erase in a step.
        texts: number of retained texts in a step.
        questions: number of questions about what must stay in a step.
        seed: seed of the order of all three.
    """

    name: ClassVar[str] = "feature-edit"
    needs_dictionary: ClassVar[bool] = True
    space: ClassVar[SearchSpace] = SearchSpace(
        ranges={
            "units": Range(low=100, high=1600, log=True, whole=True),
            "margin_nats": Range(low=0.0, high=12.0),
            "retain": Range(low=10.0, high=300.0, log=True),
        },
        strength="margin_nats",
        stronger=1.5,
        gentler=-1.0,
        holding="retain",
        firmer=3.0,
    )

    units: int = 800
    margin_nats: float = 5.5
    floor_nats: float = 14.0
    retain: float = 30.0
    softened: float = 0.3
    steps: int = 300
    warm_start_steps: int = 150
    learning_rate: float = 0.025
    probes: int = 16
    texts: int = 4
    questions: int = 32
    seed: int = 0

    def located(self, problem: EditProblem) -> Attribution:
        """Return the features' attribution."""
        return problem.attribution

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit; the model is left as it was, bit for bit."""
        return self._fit(problem, self.steps, self.learning_rate, None)

    def fit_from(self, problem: EditProblem, start: Edit) -> Edit:
        """Return the edit, begun at another of the same model."""
        return self._fit(problem, self.warm_start_steps, self.learning_rate * WARM_START_RATE, start)

    def controls(self, norm: float, seed: int) -> tuple[Control, ...]:
        """Return as many features a site drawn at random, and the paper's rule taken literally."""
        random = METHODS["random-features"].make(like=self, norm=norm, seed=seed)
        return (
            Control(random, RANDOM_FEATURES),
            Control(
                METHODS["feature-literal"].make(),
                "entries of the output projection that write the top features, zeroed",
            ),
        )

    def _fit(self, problem: EditProblem, steps: int, rate: float, start: Edit | None) -> Edit:
        located = {site: units for site, units in problem.attribution.top(self.units).items() if len(units)}
        erase, retained = _Erase(problem, self), _Retained(problem, self, steps)
        with SpanChanges(problem, parts(problem, located), start) as changes:
            rates = [rate * float(weight.detach().float().pow(2).mean().sqrt()) for weight in changes.weights]
            groups = [
                {"params": [a], "lr": rate} for a, rate in zip(changes.coefficients, rates, strict=True)
            ]
            optimiser = torch.optim.Adam(groups)
            below = _below(problem)
            left = {part.name for part in changes.parts} | (below.names if below else set())
            with quick_weights(problem.loaded, left):
                for step in range(steps if erase.is_open else 0):
                    for group, peak in zip(optimiser.param_groups, rates, strict=True):
                        group["lr"] = peak * _schedule(step, steps)
                    terms = [*erase.terms(), *retained.terms(step, self.retain)]
                    _descend(problem.loaded, changes, terms, below)
                    optimiser.step()
                    changes.write()
                    if is_large(problem.loaded):  # parts of many lengths leave holes in what was allocated
                        return_memory()
                    tell_step()
            return Edit(deltas=changes.deltas(), method=self.name, settings=asdict(self))


@dataclass(frozen=True, kw_only=True)
class _Term:
    """What some sequences of a step add to L.

    Attributes:
        part: the sequences.
        loss: what the logits that predict their marked tokens add.
    """

    part: TracedPart
    loss: Callable[[Tensor], Tensor]


def _below(problem: EditProblem) -> Below | None:
    """Return what is known of the layers below the weights that change; None where it is no gain, or not the same."""
    below = Below.changing(problem.loaded)
    if below is None:
        return None
    key = ("below", below.lowest)
    return problem.once_retained(key, lambda: agreeing(problem.loaded, below, problem.erase[:COMPARED]))


def _descend(
    loaded: LoadedModel, changes: SpanChanges, terms: Iterable[_Term], below: Below | None = None
) -> None:
    """Give the coefficients the gradients of a sum of terms, no more activations being kept than memory is meant for.

    Terms that fit together have one backward pass. Passes begin above what is known, if something is.
    """
    budget = gradient_budget(loaded.model)
    loss, tokens = None, 0
    for term in terms:
        if loss is not None and tokens + term.part.tokens > budget:
            changes.add_gradients(loss)
            loss, tokens = None, 0
        with torch.enable_grad(), quick_precision(loaded):
            part = term.part
            added = term.loss(part.logits_above(loaded, below) if below else part.logits(loaded))
            loss = added if loss is None else loss + added
        tokens += term.part.tokens
    if loss is not None:
        changes.add_gradients(loss)
    changes.take_gradients()


def _schedule(step: int, steps: int) -> float:
    """Return the share of the rate at a step: a short rise, times a cosine that ends at 0."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


class _Erase:
    """The term of L over the secrets.

    Attributes:
        is_open: whether the model as it was found has any token above its target.
    """

    def __init__(self, problem: EditProblem, method: FeatureEdit) -> None:
        self.problem, self.method = problem, method
        generator = torch.Generator().manual_seed(method.seed)
        self._again = method.probes // 4
        self._draws = epochs_by_length(problem.erase, method.probes - self._again, generator)
        self._hard = HardExamples(len(problem.erase), generator, UNSEEN)
        with torch.no_grad():
            places = range(len(problem.erase))
            parts = (places[start : start + method.probes] for start in places[:: method.probes])
            terms = (term for part in parts for term in self._terms(part))
            self.is_open = any(float(term.loss(term.part.logits(problem.loaded))) > 0 for term in terms)

    def terms(self) -> Iterator[_Term]:
        """Yield the terms of mean_t [o_t - o(target_t)]₊ over the identifying tokens of the next probes."""
        return self._terms([*next(self._draws), *self._hard.draw(self._again)], self._hard)

    def _terms(self, places: Sequence[int], hard: HardExamples | None = None) -> Iterator[_Term]:
        problem = self.problem
        count = max(1, sum(int(identifying(problem.chance[place]).sum()) for place in places))
        for part in traced_parts(problem.loaded, [problem.erase[place] for place in places]):
            mine = [places[place] for place in part.places]
            yield _Term(part=part, loss=partial(self._loss, part, mine, count, hard))

    def _loss(
        self,
        part: TracedPart,
        places: Sequence[int],
        count: int,
        hard: HardExamples | None,
        logits: Float[Tensor, "marked vocabulary"],
    ) -> Float[Tensor, ""]:
        """Return Σ_t [o_t - o(target_t)]₊ / count."""
        method, chance = self.method, torch.cat([self.problem.chance[place] for place in places])
        chance = chance.to(logits.device)
        target = token_targets(chance, margin_nats=method.margin_nats, floor_nats=method.floor_nats)
        log_p = logits.log_softmax(1).gather(1, part.batch.targets[:, None])[:, 0]
        above = (log_odds(log_p) - log_odds(target)).clamp(min=0)
        above = torch.where(identifying(chance), above, 0.0)  # [o_t - o(target_t)]₊
        if hard is not None:
            hard.see(places, above, part.batch.rows)
        return above.sum() / count


class _Retained:
    """The terms of L over what must stay. Made while the model is the original one, which it reads.

    Every draw but that of hurt questions is made beforehand, so that only what comes is read.
    """

    def __init__(self, problem: EditProblem, method: FeatureEdit, steps: int) -> None:
        self.problem, self._softened = problem, method.softened
        self._generator = torch.Generator().manual_seed(method.seed)
        self._again = method.questions // 2 if problem.questions else 0
        self._texts = self._draw(problem.retain, method.texts, steps)
        self._questions = self._draw(problem.questions, method.questions - self._again, steps)
        asked = sorted({place for step in self._questions for place in step})
        self._of_texts, self._of_questions = problem.once_retained(
            "predictions", lambda: _predictions(problem)
        )
        self._of_texts.read(place for step in self._texts for place in step)
        self._of_questions.read(asked)
        self._asked = torch.tensor(asked, dtype=torch.long)
        self._hurt = HardExamples(len(problem.questions), self._generator)

    def terms(self, step: int, weight: float) -> Iterator[_Term]:
        """Yield the terms of λ (mean D over a step's texts + mean D over its questions), λ being the weight."""
        problem = self.problem
        if places := self._texts[step]:
            yield from self._diverging(problem.retain, self._of_texts, places, weight)
        if places := self._questions[step]:
            places = [*places, *self._hurt.draw(self._again, self._asked)]
            yield from self._diverging(problem.questions, self._of_questions, places, weight, self._hurt)

    def _diverging(
        self,
        sequences: Sequence[TokenSequence],
        predictions: Predictions,
        places: Sequence[int],
        weight: float,
        hurt: HardExamples | None = None,
    ) -> Iterator[_Term]:
        chosen = [sequences[place] for place in places]
        scale = weight / max(1, sum(sum(sequence.marked) for sequence in chosen))
        for part in traced_parts(self.problem.loaded, chosen):
            mine = [places[place] for place in part.places]

            def loss(logits: Tensor, part: TracedPart = part, mine: list[int] = mine) -> Tensor:
                divergence = predictions.divergence(mine, logits, self._softened)
                if hurt is not None:
                    hurt.see(mine, divergence, part.batch.rows)
                return divergence.sum() * scale

            yield _Term(part=part, loss=loss)

    def _draw(self, sequences: Sequence[TokenSequence], count: int, steps: int) -> list[list[int]]:
        """Draw the places of each step's sequences, no more than there is room for; none where there are none."""
        if not sequences or not count:
            return [[] for _ in range(steps)]
        draws = epochs_by_length(sequences, count, self._generator)
        room = STEP_ELEMENTS // self.problem.loaded.vocabulary
        return [list(_within(next(draws), sequences, room)) for _ in range(steps)]


def _predictions(problem: EditProblem) -> tuple[Predictions, Predictions]:
    """Return the original model's predictions of the texts and of the questions, none of them read yet."""
    return Predictions(problem.loaded, problem.retain), Predictions(problem.loaded, problem.questions)


def _within(places: Sequence[int], sequences: Sequence[TokenSequence], room: int) -> Iterator[int]:
    """Yield the first places whose sequences have no more marked tokens than there is room for, at least one."""
    total = 0
    for place in places:
        total += sum(sequences[place].marked)
        if total > room and total > sum(sequences[place].marked):
            return
        yield place
