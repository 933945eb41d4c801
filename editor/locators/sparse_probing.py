"""Sparse probing (Gurnee et al. 2023, arXiv:2305.01610): which few neurons tell erased secrets from other people's.

One layer at a time, a linear probe may read k neurons of the MLP's hidden activations. The training split decides
which k neurons. A ranking keeps `prefilter` of them. A telescopic sweep then goes down in k: it fits an elastic net to
those that are left and ranks them again by its coefficients. For k ≤ 3 every set of the best `exact_among` is tried
(`editor.locators.exact_search`). The probe itself is a logistic regression, classes balanced.

Layer and k are chosen by F1 on the validation split, the smaller k where F1 is the same. The test split is looked at
for the chosen probe and its two controls alone: the same search on the layer's activations in a random orthogonal
basis, where no single neuron means anything, and as many neurons of the layer drawn at random.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dictionaries.model.sites import Site
from editor.locators.exact_search import MOST as MOST_EXACT
from editor.locators.exact_search import best_subset
from editor.locators.features import Attribution
from editor.locators.neurons import neuron_sites
from editor.locators.probe_data import TEST, TRAIN, VALIDATION, ProbeSplit, read_neurons, split_samples
from editor.locators.probe_rankings import RANKINGS, elastic_net, unfinished

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem

SIZES = (256, 128, 64, 32, 16, 8, 5, 3, 2, 1)
"""Sizes k of probes."""
RANDOM_DRAWS = 5
"""Draws of random neurons that a control's scores are means over."""


@dataclass(frozen=True, kw_only=True)
class ProbeScore:
    """Figures of how well a probe tells the classes apart, each from 0 to 1 but for MCC's -1 to 1."""

    f1: float
    mcc: float
    precision: float
    recall: float


@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One fitted probe.

    Attributes:
        site: the layer's neurons.
        k: number of neurons that it reads.
        exact: whether every set of k was tried.
        neurons: the neurons that it reads, the largest coefficient first.
        coefficients: coefficients of the logistic regression on standardised activations, in the order of `neurons`.
        validation: its score on the validation split.
    """

    site: Site
    k: int
    exact: bool
    neurons: tuple[int, ...]
    coefficients: tuple[float, ...]
    validation: ProbeScore


@dataclass(frozen=True, kw_only=True)
class ProbeStudy:
    """All probes of all layers, and the chosen one on the test split.

    Attributes:
        rows: all probes, layer by layer, k falling.
        chosen: the probe chosen by validation F1.
        test: test score of the chosen probe.
        rotated: test score of the probe that the same search finds in a random basis of the layer, at the same k.
        random: test score of as many random neurons, a mean over draws.
        samples: numbers of samples in TRAIN, VALIDATION and TEST.
        positives: share of samples that are positive.
        differences: site -> (m,), |mean difference| over its standard deviation on the training split.
    """

    rows: tuple[ProbeRow, ...]
    chosen: ProbeRow
    test: ProbeScore
    rotated: ProbeScore
    random: ProbeScore
    samples: tuple[int, int, int]
    positives: float
    differences: Mapping[Site, Float[ndarray, " m"]] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SparseProbing:
    """A locator of the k neurons of one layer from which erased secrets are read best.

    Attributes:
        ranking: name in `RANKINGS` of the ranking that the prefilter goes by.
        prefilter: number of neurons that the sweep starts from.
        sizes: sizes k, falling; those beyond a layer's width are left out.
        exact_among: number of neurons every set of which is tried for k ≤ 3; 0 tries none.
        beyond: whether neurons that larger probes of the chosen layer add get scores too, lower ones, for edits
            that are to take more of them than the chosen probe needs to tell the classes apart.
        seed: the seed of the split and the controls.
    """

    ranking: str = "mean-difference"
    prefilter: int = 256
    sizes: tuple[int, ...] = SIZES
    exact_among: int = 50
    beyond: bool = False
    seed: int = 0

    def locate(self, problem: "EditProblem") -> Attribution:
        """Score the chosen probe's neurons by their coefficients; raw holds every neuron's mean difference."""
        return self.attribution(self.study(problem))

    def attribution(self, study: ProbeStudy) -> Attribution:
        """Turn a study into scores: the chosen probe's |coefficients|, and raw the mean differences."""
        raw = {site: torch.from_numpy(found).float() for site, found in study.differences.items()}
        scores = {site: torch.zeros_like(found) for site, found in raw.items()}
        chosen = study.chosen
        own = scores[chosen.site]
        own[list(chosen.neurons)] = torch.tensor(chosen.coefficients).abs()
        if self.beyond:
            larger = [row for row in study.rows if row.site == chosen.site and row.k > chosen.k]
            for row in sorted(larger, key=lambda row: row.k):
                _add_below(own, row)
        return Attribution(scores=scores, raw=raw, remainder=0.0, total_effect=0.0)

    def study(self, problem: "EditProblem") -> ProbeStudy:
        """Probe every layer for what is to be erased.

        Raises:
            CorpusError: there are too few probes to be split.
        """
        sites = neuron_sites(problem.loaded.model)
        split = split_samples(problem.erase, problem.others, self.seed)
        sequences = [*problem.erase, *problem.others]
        found = read_neurons(problem.loaded, sequences, sites)
        return self.study_layers(((site, x) for some in found for site, x in some.items()), split)

    def study_layers(
        self, layers: "Iterator[tuple[Site, Float[ndarray, 'samples m']]]", split: ProbeSplit
    ) -> ProbeStudy:
        """Probe given activations, one layer after another; only one layer at a time is kept, and the best.

        Args:
            layers: sites with their activations, (samples, m).
            split: labels of the samples, and the split of each.
        """
        rows: list[ProbeRow] = []
        differences: dict[Site, ndarray] = {}
        best: tuple[ProbeRow, ndarray] | None = None
        for site, x in layers:
            found = list(self._rows(site, x, split))
            rows += found
            differences[site] = _difference(x, split)
            champion = min(found, key=_preference)
            if best is None or _preference(champion) < _preference(best[0]):
                best = champion, x
        assert best is not None
        chosen, x = best
        return ProbeStudy(
            rows=tuple(rows),
            chosen=chosen,
            test=_fit_and_score(x, split, chosen.neurons, TEST),
            rotated=self._score_rotated(chosen, x, split),
            random=self._score_random(chosen, x, split),
            samples=tuple(len(split.where(part)) for part in (TRAIN, VALIDATION, TEST)),  # type: ignore[arg-type]
            positives=float(split.labels.mean()),
            differences=differences,
        )

    def _rows(self, site: Site, x: Float[ndarray, "samples m"], split: ProbeSplit) -> Iterator[ProbeRow]:
        for k, exact, neurons in self._choose_neurons(x, split):
            model = _fit(x, split, neurons)
            order = np.argsort(-np.abs(model.coefficients), kind="stable")
            yield ProbeRow(
                site=site,
                k=k,
                exact=exact,
                neurons=tuple(int(j) for j in np.asarray(neurons)[order]),
                coefficients=tuple(float(c) for c in model.coefficients[order]),
                validation=model.score(x, split, VALIDATION),
            )

    def _choose_neurons(
        self, x: Float[ndarray, "samples m"], split: ProbeSplit
    ) -> Iterator[tuple[int, bool, ndarray]]:
        """Yield k, whether every set was tried, and the neurons to read, by the training split alone."""
        train = split.where(TRAIN)
        inputs, labels = x[train], split.labels[train]
        ranked = _best(RANKINGS[self.ranking](inputs, labels), x.shape[1])
        left = ranked[: self.prefilter]
        candidates = ranked[: self.exact_among]
        for k in sorted({size for size in self.sizes if size <= x.shape[1]}, reverse=True):
            if k < len(left):
                left = left[_best(elastic_net(inputs[:, left], labels), k)]
            if k <= min(MOST_EXACT, len(candidates)):
                places, _ = best_subset(inputs[:, candidates], labels, k)
                yield k, True, candidates[places]
            elif k == len(left):
                yield k, False, left

    def _score_rotated(
        self, chosen: ProbeRow, x: Float[ndarray, "samples m"], split: ProbeSplit
    ) -> ProbeScore:
        turned = rotated(x, self.seed)
        only = replace(self, sizes=tuple(size for size in self.sizes if size >= chosen.k))
        row = next(row for row in only._rows(chosen.site, turned, split) if row.k == chosen.k)
        return _fit_and_score(turned, split, row.neurons, TEST)

    def _score_random(
        self, chosen: ProbeRow, x: Float[ndarray, "samples m"], split: ProbeSplit
    ) -> ProbeScore:
        generator = np.random.default_rng(self.seed)
        free = np.setdiff1d(np.arange(x.shape[1]), chosen.neurons)
        count = min(chosen.k, len(free))
        draws = [generator.choice(free, count, replace=False) for _ in range(RANDOM_DRAWS if count else 0)]
        scores = [vars(_fit_and_score(x, split, draw, TEST)) for draw in draws]
        names = ("f1", "mcc", "precision", "recall")
        return ProbeScore(**{name: float(np.mean([one[name] for one in scores] or [0.0])) for name in names})


def rotated(x: Float[ndarray, "samples m"], seed: int) -> Float[ndarray, "samples m"]:
    """Rotate activations into a random orthogonal basis: random signs, a random order and a cosine transform, twice."""
    from scipy.fft import dct

    generator = np.random.default_rng(seed)
    for _ in range(2):
        signs = generator.choice([-1.0, 1.0], x.shape[1])
        x = dct((x * signs)[:, generator.permutation(x.shape[1])], norm="ortho", axis=1)
    return x


@dataclass(frozen=True)
class _Probe:
    """A fitted logistic regression on a few neurons."""

    model: Any
    neurons: ndarray
    mean: ndarray
    scale: ndarray

    @property
    def coefficients(self) -> Float[ndarray, " k"]:
        coefficients: ndarray = self.model.coef_[0]
        return coefficients

    def score(self, x: Float[ndarray, "samples m"], split: ProbeSplit, part: int) -> ProbeScore:
        from sklearn.metrics import matthews_corrcoef, precision_recall_fscore_support

        rows = split.where(part)
        found = self.model.predict((x[np.ix_(rows, self.neurons)] - self.mean) / self.scale)
        truth = split.labels[rows]
        precision, recall, f1, _ = precision_recall_fscore_support(
            truth, found, average="binary", zero_division=0.0
        )
        return ProbeScore(
            f1=float(f1),
            mcc=float(matthews_corrcoef(truth, found)),
            precision=float(precision),
            recall=float(recall),
        )


def _add_below(scores: Float[Tensor, " m"], row: ProbeRow) -> None:
    """Score a probe's neurons that have no score yet below those that have, by their coefficients."""
    added = [place for place, neuron in enumerate(row.neurons) if not scores[neuron]]
    if added:
        size = torch.tensor(row.coefficients)[added].abs()
        below = float(scores[scores > 0].min()) / 2
        scores[[row.neurons[place] for place in added]] = below * size / size.max().clamp_min(1e-12)


def _fit(x: Float[ndarray, "samples m"], split: ProbeSplit, neurons: Sequence[int] | ndarray) -> _Probe:
    from sklearn.linear_model import LogisticRegression

    chosen = np.asarray(neurons)
    train = split.where(TRAIN)
    inputs = x[np.ix_(train, chosen)]
    mean, scale = inputs.mean(0), inputs.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    with unfinished():
        model = LogisticRegression(class_weight="balanced").fit((inputs - mean) / scale, split.labels[train])
    return _Probe(model=model, neurons=chosen, mean=mean, scale=scale)


def _fit_and_score(
    x: Float[ndarray, "samples m"], split: ProbeSplit, neurons: Sequence[int] | ndarray, part: int
) -> ProbeScore:
    return _fit(x, split, neurons).score(x, split, part)


def _best(scores: Float[ndarray, " m"], count: int) -> ndarray:
    """Return the places of the highest scores, the first of equals first."""
    return np.argsort(-scores, kind="stable")[:count]


def _preference(row: ProbeRow) -> tuple[float, int, int]:
    return -row.validation.f1, row.k, row.site.layer


def _difference(x: Float[ndarray, "samples m"], split: ProbeSplit) -> Float[ndarray, " m"]:
    """Return |mean difference| of the classes over the standard deviation, on the training split."""
    train = split.where(TRAIN)
    inputs, labels = x[train], split.labels[train]
    spread = inputs.std(0)
    difference = np.abs(inputs[labels == 1].mean(0) - inputs[labels == 0].mean(0))
    standardised: ndarray = difference / np.where(spread > 0, spread, 1.0)
    return standardised
