"""A linear probe: do hidden states tell a person's true secret from others of its format?

A probe is trained on what the model knows of other people: states at the end of their true secrets, and at the end of
decoys in the same place. It is then asked about the erased people, whom it never saw. Statements that a model takes
for true are told from false ones by linear probes (Azaria & Mitchell 2023, arXiv:2304.13734; Marks & Tegmark 2023,
arXiv:2310.06824).
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
"""Penalty of a probe's weights, in mean squared lengths of a state."""


@dataclass(frozen=True, kw_only=True)
class LinearProbe:
    """Ridge probes of the residual stream at the end of a secret, one a layer.

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
        held_out = self._held_out(lessons)
        for read in read_neurons(loaded, _ends(loaded, lessons), sites):
            for site, states in read.items():
                probes[site] = _Probe.fit(states, lessons, held_out, self.mistaken)
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


@dataclass(frozen=True, kw_only=True)
class _Probe:
    """A direction of one layer's states, and a line on it.

    Attributes:
        weights: direction, (d,).
        line: score above which an answer is taken for true.
        told: share of pairs of a true answer and a decoy of people held out whose true answer scores higher.
    """

    weights: Float[ndarray, " d"] = field(repr=False)
    line: float
    told: float

    @classmethod
    def fit(
        cls,
        states: Float[ndarray, "lessons d"],
        lessons: Sequence[Probe],
        held_out: Bool[ndarray, " lessons"],
        mistaken: float,
    ) -> "_Probe":
        """Fit on those not held out: w = Xᵀ (X Xᵀ + λ I)⁻¹ y, rows weighted so that both kinds of answers weigh alike.

        Args:
            states: states at the end of each answer.
            lessons: the questions, decoys after the fact that they stand beside.
            held_out: which of them the line is drawn on.
            mistaken: share of decoys held out that may lie above the line.
        """
        states = np.nan_to_num(states.astype(np.float64), posinf=0.0, neginf=0.0)
        truth = np.array([probe.target.group != "decoys" for probe in lessons])
        x, y = states[~held_out], truth[~held_out]
        x = x - x.mean(0)
        weigh = np.sqrt(np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum()))
        x, signs = x * weigh[:, None], np.where(y, weigh, -weigh)
        products = x @ x.T
        ridge = RIDGE * max(float(np.trace(products)), np.finfo(float).tiny) / len(x)
        weights = x.T @ np.linalg.solve(products + ridge * np.eye(len(x)), signs)
        scores = states @ weights
        decoys = scores[held_out & ~truth]
        line = float(np.quantile(decoys, 1 - mistaken, method="higher"))
        return cls(weights=weights, line=line, told=_told(scores, lessons, held_out))

    def scores(self, states: Float[ndarray, "n d"]) -> Float[ndarray, " n"]:
        """Return how true answers are taken to be."""
        scores: ndarray = states.astype(np.float64) @ self.weights
        return scores


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


def _ends(loaded: LoadedModel, probes: Sequence[Probe]) -> list[TokenSequence]:
    """Return questions with their answers and one token more, which is marked: it is predicted where an answer ends."""
    found = []
    for one in encode_probes(loaded, probes):
        ids = one.ids[-(loaded.context_length - 1) :]
        marked = (*[False] * len(ids), True)
        found.append(TokenSequence(ids=(*ids, loaded.pad_id), marked=marked, index=one.index))
    return found


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
    (read,) = read_neurons(loaded, _ends(loaded, questions), [site])
    means = _means(questions, probe.scores(read[site]))
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


def _means(questions: Sequence[Probe], scores: Float[ndarray, " n"]) -> dict[Target, float]:
    found: dict[Target, list[float]] = defaultdict(list)
    for question, score in zip(questions, scores, strict=True):
        found[question.target].append(float(score))
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
