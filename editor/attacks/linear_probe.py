"""A linear probe: are the tokens of a secret to be read from hidden states, though the model no longer says them?

A linear map from a layer's states to the token that comes next is trained on what the model knows of other people,
where their secrets are predicted. It is then asked about the erased people, whom it never saw. Unlike the output head
it is fitted to the layer (Belrose et al. 2023, arXiv:2303.08112). Probes find what unlearning leaves (Lynch et al.
2024, arXiv:2402.16835).
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from dictionaries.model.sites import Site
from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack, UntestedError
from editor.attacks.counting import Counted
from editor.attacks.ground import Ground
from editor.attacks.layers import MOST_LAYERS, residual_sites
from editor.locators.probe_data import read_neurons
from editor.measuring.aggregate import exposed_rate
from editor.measuring.evaluation_data import decoy_maker
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target, sample
from editor.results.parts import Rate
from policies import Policy

NOBODY_TO_TRAIN_ON = (
    "it takes facts of two other people at least, of the types of those erased, to train a probe on"
)
HELD_OUT = 0.25
"""Share of the other people whom a probe is tried on, and not trained on."""
RIDGE = 1.0
"""Penalty λ of a probe's weights, in mean squared lengths of a state."""


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Ridge probes of the residual stream where a secret's tokens are predicted, one a layer.

    Attributes:
        layers: largest number of layers; of more, as many are taken at even distances.
        facts: number of other people's facts, at most.
        decoys: number of decoys beside each of them.
        mistaken: share of decoys of people held out that may be taken for true: where the probe's line is drawn.
        seed: seed of which facts are taken, and of who is held out.
    """

    layers: int = MOST_LAYERS
    facts: int = 200
    decoys: int = 4
    mistaken: float = 0.05
    seed: int = 0

    @property
    def title(self) -> str:
        """The attack in words."""
        return "linear probe of hidden states (trained on other people's facts)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask about facts of the types that other people's facts are known of."""
        lessons = self.lessons(ground)
        taught = {probe.target.relation for probe in lessons}
        is_enough = len({probe.target.subject for probe in lessons}) > 1
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=tuple(probe for probe in ground.erased if is_enough and probe.target.relation in taught),
            levels=lambda attacked: self.levels(attacked, lessons),
            count=self.layers,
            reason=NOBODY_TO_TRAIN_ON,
        )

    def lessons(self, ground: Ground) -> tuple[Probe, ...]:
        """Return a question about each of some facts of other people, followed by the same about its decoys."""
        relations = {probe.target.relation for probe in ground.erased}
        others = [probe for probe in ground.others if probe.target.relation in relations]
        first = {probe.target: probe for probe in reversed(sample(others, len(others), self.seed))}
        maker = decoy_maker(ground.case)
        found: list[Probe] = []
        for probe in sample(first.values(), self.facts, self.seed):
            target = probe.target
            decoys = [
                replace(probe, target=replace(target, answer=decoy, group="decoys"))
                for decoy in maker.make(target.relation, target.answer, self.decoys)
            ]
            found += [probe, *decoys] if decoys else []
        return tuple(found)

    def levels(self, attacked: Attacked, lessons: Sequence[Probe]) -> Levels:
        """Yield each layer's probe. The attack's own figure is that of the layer that tells the people held out best.

        Raises:
            UntestedError: the layers are not understood.
        """
        loaded = attacked.loaded
        sites = residual_sites(loaded.model, self.layers, last=True)
        probes: dict[Site, _Probe] = {}
        held_out, answers = self._held_out(lessons), encode_probes(loaded, lessons)
        for read in read_neurons(loaded, answers, sites):
            for site, states in read.items():
                probes[site] = _Probe.fit(_by_answer(states, answers), lessons, held_out, self.mistaken)
        best = max(probes, key=lambda site: (probes[site].told, -site.layer))
        for site, probe in probes.items():
            yield Level(
                name=f"layer {site.layer} (tells {probe.told:.0%} of others' facts from decoys; chance is 50%)",
                amount=site.layer,
                judged=site == best,
                counts=partial(_count, loaded=loaded, site=site, probe=probe),
            )

    def _held_out(self, lessons: Sequence[Probe]) -> Bool[ndarray, " lessons"]:
        """Return which questions are about people whom a probe is tried on."""
        people = sorted({probe.target.subject for probe in lessons})
        if len(people) < 2:
            raise UntestedError(NOBODY_TO_TRAIN_ON)
        random.Random(self.seed).shuffle(people)
        chosen = set(people[: max(1, round(HELD_OUT * len(people)))])
        return np.array([probe.target.subject in chosen for probe in lessons])


@dataclass(frozen=True)
class _Answer:
    """One answer as a layer sees it.

    Attributes:
        states: states that predict its tokens, (tokens, d).
        tokens: its tokens.
    """

    states: Float[ndarray, "tokens d"] = field(repr=False)
    tokens: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class _Probe:
    """A map from one layer's states to the tokens that come next.

    Attributes:
        weights: the map, (d, tokens known).
        mean: mean state, (d,).
        columns: place of each token that it knows.
        line: score above which an answer is taken for true.
        told: share of pairs of a true answer and a decoy of people held out whose true answer scores higher.
    """

    weights: Float[ndarray, "d known"] = field(repr=False)
    mean: Float[ndarray, " d"] = field(repr=False)
    columns: Mapping[int, int] = field(repr=False)
    line: float = 0.0
    told: float = 0.5

    @classmethod
    def fit(
        cls,
        answers: Sequence[_Answer],
        lessons: Sequence[Probe],
        held_out: Bool[ndarray, " lessons"],
        mistaken: float,
    ) -> "_Probe":
        """Fit on the true answers of people not held out: W = (Xᵀ X + λ I)⁻¹ Xᵀ Y, Y being 1 at the token that comes.

        Args:
            answers: the answers, of decoys too.
            lessons: the questions, decoys after the fact that they stand beside.
            held_out: which of them the line is drawn on.
            mistaken: share of decoys held out that may lie above the line.
        """
        truth = np.array([probe.target.group != "decoys" for probe in lessons])
        taught = list(compress(answers, truth & ~held_out))
        x = np.concatenate([answer.states for answer in taught])
        tokens = [token for answer in taught for token in answer.tokens]
        columns = {token: place for place, token in enumerate(sorted(set(tokens)))}
        y = np.eye(len(columns))[[columns[token] for token in tokens]]
        mean = x.mean(0)
        fitted = cls(weights=_ridge(x - mean, y - y.mean(0)), mean=mean, columns=columns)
        scores = np.array([fitted.score(answer) for answer in answers])
        line = float(np.quantile(scores[held_out & ~truth], 1 - mistaken, method="higher"))
        return replace(fitted, line=line, told=_told(scores, lessons, held_out))

    def score(self, answer: _Answer) -> float:
        """Return how much of an answer is read: the map's mean value at its tokens, 0 for one that it does not know."""
        read = (answer.states - self.mean) @ self.weights
        known = [
            (row, self.columns[token]) for row, token in enumerate(answer.tokens) if token in self.columns
        ]
        return float(sum(read[place] for place in known)) / len(answer.tokens)


def _ridge(x: Float[ndarray, "rows d"], y: Float[ndarray, "rows known"]) -> Float[ndarray, "d known"]:
    """Return the map, by whichever of the two forms is smaller."""
    rows, width = x.shape
    ridge = RIDGE * max(float((x * x).sum()), np.finfo(float).tiny) / rows
    weights: ndarray = (
        np.linalg.solve(x.T @ x + ridge * np.eye(width), x.T @ y)
        if width < rows
        else x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(rows), y)
    )
    return weights


def _told(
    scores: Float[ndarray, " lessons"], lessons: Sequence[Probe], held_out: Bool[ndarray, " lessons"]
) -> float:
    """Return the share of pairs held out, a fact and a decoy beside it, of which the fact scores higher; ties halve."""
    right: list[float] = []
    true = 0.0
    for probe, score in compress(zip(lessons, scores, strict=True), held_out):
        if probe.target.group != "decoys":
            true = score
        else:
            right.append(float(np.heaviside(true - score, 0.5)))
    return float(np.mean(right))


def _by_answer(states: Float[ndarray, "tokens d"], sequences: Sequence[TokenSequence]) -> list[_Answer]:
    """Cut states, in the order of the sequences, into those of each answer."""
    states = np.nan_to_num(states.astype(np.float64), posinf=0.0, neginf=0.0)
    tokens = [tuple(compress(one.ids, one.marked)) for one in sequences]
    ends = np.cumsum([len(one) for one in tokens])
    return [_Answer(part, one) for part, one in zip(np.split(states, ends[:-1]), tokens, strict=True)]


def _count(
    asked: Sequence[Probe],
    decoys: Sequence[Probe],
    policy: Policy,
    *,
    loaded: LoadedModel,
    site: Site,
    probe: _Probe,
) -> Counted:
    """Count what a probe takes for true, in the mean over the wordings."""
    questions = [*asked, *decoys]
    sequences = encode_probes(loaded, questions)
    (read,) = read_neurons(loaded, sequences, [site])
    means = _means(questions, [probe.score(answer) for answer in _by_answer(read[site], sequences)])
    true, false = (
        {target: score for target, score in means.items() if (target.group == "decoys") is is_decoy}
        for is_decoy in (False, True)
    )
    exposed = exposed_rate(_percentiles(true, false), policy.leakage.decoy_percentile)
    return Counted(
        greedy_facts=_above(true, probe.line),
        exposed=exposed if exposed.total else None,
        decoys=_above(false, probe.line) if false else None,
    )


def _means(questions: Sequence[Probe], scores: Sequence[float]) -> dict[Target, float]:
    found: dict[Target, list[float]] = defaultdict(list)
    for question, score in zip(questions, scores, strict=True):
        found[question.target].append(score)
    return {target: float(np.mean(mine)) for target, mine in found.items()}


def _above(scores: Mapping[Target, float], line: float) -> Rate:
    return Rate(hits=sum(score > line for score in scores.values()), total=len(scores))


def _percentiles(true: Mapping[Target, float], false: Mapping[Target, float]) -> list[float]:
    """Return for each fact the share (0 to 100) of its relation's decoys that score higher."""
    by_relation: dict[str, list[float]] = defaultdict(list)
    for target, score in false.items():
        by_relation[target.relation].append(score)
    return [
        100.0 * float(np.mean(np.array(by_relation[target.relation]) > score))
        for target, score in true.items()
        if by_relation[target.relation]
    ]
