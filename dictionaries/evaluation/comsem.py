"""ComSem: how many features of a dictionary can be named, and the names hold (after Cho et al. 2025, arXiv:2509.20997).

The passages where a feature is most salient are split, at random, into shown and held back ones. A judge names what the
shown ones have in common; by the name alone it then judges the held back ones, mixed with as many random passages
on which the feature is not salient. A feature is interpretable if the share of right answers reaches a
threshold. What chance gives is measured beside it: random passages in the place of a feature's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from dictionaries.dictionary import Dictionary
from dictionaries.evaluation.judges import Judge
from dictionaries.evaluation.passages import Passage, PassageReader
from dictionaries.evaluation.top_tokens import Key, Salience, TopTokens
from dictionaries.model.activations import harvest
from dictionaries.model.sites import Site, input_device
from dictionaries.model.splice import Progress, watched
from dictionaries.model.tokens import TokenBatch
from policies.errors import DictionaryError

SPARE_PLACES = 2
"""Number of passages collected for each one needed: repeated ones are left out."""
RANDOM_PASSAGES = 2048
"""Number of random passages: half tell a judge what is common everywhere, half are drawn from for negatives."""
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class ComSemSettings:
    """Settings of how features are judged.

    Attributes:
        features: number of features of each dictionary, drawn by the seed; None for all of them.
        shown: number of passages that a feature is named by.
        held_back: number of passages that the name is judged on, with as many negatives.
        threshold: share of right answers from which a feature is interpretable; blind guessing reaches 0.5.
        controls: number of pseudo-features of random passages, which measure chance.
        reach: number of tokens of a passage on either side.
        seed: seed of all draws.
    """

    features: int | None = None
    shown: int = 10
    held_back: int = 10
    threshold: float = 0.8
    controls: int = 200
    reach: int = 16
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The findings on one feature.

    Attributes:
        feature: index of the feature.
        density: share of tokens on which the feature is salient.
        passages: number of distinct passages there were, no more than were asked for.
        name: what the passages share; None where nothing was found or there were too few passages.
        accuracy: share of right answers by the name; None where there is no name.
        f1: F1 of the answers, the held back passages being what is to be found.
        interpretable: whether the accuracy reaches the threshold.
    """

    feature: int
    density: float
    passages: int
    name: str | None = None
    accuracy: float | None = None
    f1: float | None = None
    interpretable: bool = False


@dataclass(frozen=True, kw_only=True)
class ComSem:
    """The interpretability of one dictionary.

    Attributes:
        site: the site that the dictionary reads.
        architecture: name of the dictionary's architecture.
        features: F, the number of features.
        tokens: number of tokens read from the corpus.
        threshold: share of right answers from which a feature is interpretable.
        judged: findings on every feature drawn, by index; too rare ones count as not interpretable.
        rare: number of features drawn with too few distinct passages to judge, silent ones included.
        silent: number of features drawn that are never salient.
        controls: number of pseudo-features of random passages.
        controls_passed: number of pseudo-features that pass for interpretable.
    """

    site: Site
    architecture: str
    features: int
    tokens: int
    threshold: float
    judged: tuple[Judged, ...] = field(repr=False)
    rare: int
    silent: int
    controls: int
    controls_passed: int

    @property
    def interpretable(self) -> int:
        """The number of interpretable features among those drawn."""
        return sum(one.interpretable for one in self.judged)

    @property
    def share_of_judged(self) -> float:
        """The share of interpretable features among those with enough passages, NaN where none has."""
        enough = len(self.judged) - self.rare
        return self.interpretable / enough if enough else float("nan")

    @property
    def count(self) -> float:
        """Interpretable features of the whole dictionary: the count where all were drawn, else by proportion."""
        return self.interpretable / len(self.judged) * self.features

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval (Clopper-Pearson) of the count, features taken as draws from an infinite population."""
        from scipy.stats import binomtest

        ends = binomtest(self.interpretable, len(self.judged)).proportion_ci(CONFIDENCE)
        return float(ends.low) * self.features, float(ends.high) * self.features


def comsem(
    model: nn.Module,
    tokenizer: Any,
    batches: Iterable[TokenBatch],
    dictionaries: Mapping[Key, Dictionary],
    judge: Judge,
    settings: ComSemSettings | None = None,
    *,
    chosen: Mapping[Key, Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> dict[Key, ComSem]:
    """Judge features of dictionaries, all of them from one pass over a corpus.

    Args:
        model: a causal language model in evaluation mode; the dictionaries are moved to its device.
        tokenizer: the model's tokenizer.
        batches: token batches, iterated once.
        dictionaries: dictionaries by any name; several may be of one site.
        judge: the judge that names passages and judges by the name.
        settings: how features are judged; the defaults where none are given.
        chosen: features to judge of each dictionary, in the place of those drawn; of a dictionary that is not
            named here, features are drawn.
        progress: callback after each batch and each feature.

    Raises:
        DictionaryError: the corpus has not one token.
    """
    settings = settings or ComSemSettings()
    device = input_device(model)
    moved = {key: one.to(device) for key, one in dictionaries.items()}
    asked = {key: (one, _features(key, one, settings, chosen)) for key, one in moved.items()}
    top = TopTokens(
        {key: Salience.of(one, features) for key, (one, features) in asked.items()},
        places=SPARE_PLACES * (settings.shown + settings.held_back),
        random=RANDOM_PASSAGES,
        seed=settings.seed,
    )
    sites = sorted({one.config.site for one in moved.values()})
    with torch.no_grad():
        for piece in harvest(model, watched(batches, "activations", progress), sites):
            codes = {k: one.encode(piece.activations[one.config.site]) for k, one in moved.items()}
            top.add(piece.batch, piece.kept, codes)
    return judge_collected(top, tokenizer, moved, judge, settings, chosen=chosen, progress=progress)


def judge_collected(
    top: TopTokens[Key],
    tokenizer: Any,
    dictionaries: Mapping[Key, Dictionary],
    judge: Judge,
    settings: ComSemSettings,
    *,
    chosen: Mapping[Key, Sequence[int]] | None = None,
    progress: Progress | None = None,
) -> dict[Key, ComSem]:
    """Judge features whose passages were collected before; see `comsem`.

    Raises:
        DictionaryError: the corpus has not one token.
    """
    if not top.tokens:
        raise DictionaryError("There is not one token to read", "Give a corpus with text")
    trial = _Trial(top, tokenizer, judge, settings)
    drawn = {key: _features(key, one, settings, chosen) for key, one in dictionaries.items()}
    end = settings.controls + sum(map(len, drawn.values()))
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("judging", done, end)

    passed = trial.controls(advance)
    results = {}
    for key, features in drawn.items():
        judged = []
        for index, feature in enumerate(features):
            judged.append(trial.of(key, index, feature))
            advance()
        one = dictionaries[key]
        results[key] = ComSem(
            site=one.config.site,
            architecture=one.architecture,
            features=one.config.features,
            tokens=top.tokens,
            threshold=settings.threshold,
            judged=tuple(judged),
            rare=sum(each.passages < trial.needed for each in judged),
            silent=sum(each.density == 0 for each in judged),
            controls=settings.controls,
            controls_passed=passed,
        )
    return results


class _Trial:
    """The judging of one feature after another on what was collected."""

    def __init__(self, top: TopTokens[Key], tokenizer: Any, judge: Judge, settings: ComSemSettings) -> None:
        self._top, self._judge, self._settings = top, judge, settings
        self.needed = settings.shown + settings.held_back
        self._reader = PassageReader(tokenizer, top.rows, settings.reach)
        pool = [self._reader.read(*place) for place in top.drawn()]
        half = len(pool) // 2
        self._others = tuple(pool[:half])
        self._pool, self._half = pool[half:], half

    def of(self, key: Any, index: int, feature: int) -> Judged:
        """Judge one feature of a dictionary."""
        density = int(self._top.fired[key][index]) / self._top.tokens
        found = self._distinct(self._reader.read(*place) for place in self._top.best(key, index))
        judged = Judged(feature=feature, density=density, passages=len(found))
        silent = (~self._top.salient(key)[self._half :, index]).nonzero().flatten().tolist()
        if len(found) < self.needed or len(silent) < self._settings.held_back:
            return judged
        random = np.random.default_rng([self._settings.seed, feature])
        negatives = [
            self._pool[one] for one in random.choice(silent, self._settings.held_back, replace=False)
        ]
        found = [found[one] for one in random.permutation(len(found))]
        return self._try_name(judged, found, negatives, random)

    def controls(self, advance: Callable[[], None]) -> int:
        """Return how many pseudo-features of random passages pass."""
        passed = 0
        size = self.needed + self._settings.held_back
        for number in range(self._settings.controls):
            advance()
            if len(self._pool) < size:
                continue
            random = np.random.default_rng([self._settings.seed, number, 1])
            drawn = [self._pool[one] for one in random.choice(len(self._pool), size, replace=False)]
            pseudo = Judged(feature=-1, density=0.0, passages=self.needed)
            passed += self._try_name(pseudo, drawn[: self.needed], drawn[self.needed :], random).interpretable
        return passed

    def _try_name(
        self,
        judged: Judged,
        found: Sequence[Passage],
        negatives: Sequence[Passage],
        random: np.random.Generator,
    ) -> Judged:
        shown, held_back = found[: self._settings.shown], found[self._settings.shown :]
        name = self._judge.name(shown, self._others)
        if name is None:
            return judged
        mixed = [*held_back, *negatives]
        order = random.permutation(len(mixed))
        said = np.zeros(len(mixed), dtype=bool)
        said[order] = self._judge.judge(name, [mixed[one] for one in order])
        # A negative that is said not to fit is a right answer too.
        hits, false = int(said[: len(held_back)].sum()), int(said[len(held_back) :].sum())
        accuracy = (hits + len(negatives) - false) / len(mixed)
        return Judged(
            feature=judged.feature,
            density=judged.density,
            passages=judged.passages,
            name=name,
            accuracy=accuracy,
            f1=2 * hits / (hits + false + len(held_back)),
            interpretable=accuracy >= self._settings.threshold,
        )

    def _distinct(self, passages: Iterable[Passage]) -> list[Passage]:
        """Return the first passages, as many as needed, that differ in what can be seen of them."""
        found: dict[tuple[str, str, str], Passage] = {}
        for passage in passages:
            found.setdefault(passage[:3], passage)
            if len(found) == self.needed:
                break
        return list(found.values())


def _features(
    key: Key, dictionary: Dictionary, settings: ComSemSettings, chosen: Mapping[Key, Sequence[int]] | None
) -> list[int]:
    """Return the features of a dictionary to judge, in order."""
    count = dictionary.config.features
    if chosen is not None and key in chosen:
        return sorted(set(chosen[key]))
    if settings.features is None or settings.features >= count:
        return list(range(count))
    return sorted(
        np.random.default_rng(settings.seed).choice(count, settings.features, replace=False).tolist()
    )
