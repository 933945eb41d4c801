"""Scores of spans found against spans that people marked: precision, recall and F1 with their intervals."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from detectors.quality.labelled import Label, LabelledText
from policies.reading import StrictModel

RESAMPLES = 1_000
BOOTSTRAP_SEED = 0
# Where one annotator marks a town as part of an address another marks a place: such a find is not counted.
_RELATED = {"LOCATION": "STREET_ADDRESS", "STREET_ADDRESS": "LOCATION"}


Count = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Rate(StrictModel):
    """A share with its 95% interval (Wilson 1927), which takes spans for independent of each other.

    Attributes:
        hits: number of hits.
        of: number of spans counted.
        share: hits / of; None where there was nothing to count.
        low: lower end of the interval, 0 to 1.
        high: upper end of the interval, 0 to 1.
    """

    hits: Count
    of: Count
    share: Share | None
    low: Share
    high: Share

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.hits > self.of or self.low > self.high or (self.share is None) != (self.of == 0):
            raise ValueError("the counts of a rate contradict each other")
        return self

    @classmethod
    def of_counts(cls, hits: int, of: int) -> "Rate":
        """Return the rate with Wilson's interval."""
        from scipy.stats import binomtest

        if of == 0:
            return cls(hits=0, of=0, share=None, low=0.0, high=1.0)
        low, high = (round(float(end), 6) for end in binomtest(hits, of).proportion_ci(method="wilson"))
        return cls(hits=hits, of=of, share=round(hits / of, 6), low=low, high=high)


class Scores(StrictModel):
    """Precision, recall and F1 of one entity type under one rule of what a hit is.

    Attributes:
        precision: P, the rate of found spans that hit a label.
        recall: R, the rate of labels that a span hits.
        f1: 2PR / (P + R); 0 where nothing was found; None where there is no label.
        f1_low: 2.5th percentile of F1 over resampled templates; None with fewer than two templates.
        f1_high: 97.5th percentile of F1 over resampled templates; None with fewer than two templates.
    """

    precision: Rate
    recall: Rate
    f1: Share | None
    f1_low: Share | None
    f1_high: Share | None


class TypeQuality(StrictModel):
    """Scores of one entity type.

    Attributes:
        entity_type: Expunge's name of the entity type.
        labels: number of spans that people marked.
        templates: number of templates that hold them.
        exact: scores where a hit has the label's own first and last character.
        overlapping: scores where a hit shares a character with a label.
    """

    entity_type: str
    labels: Count
    templates: Count
    exact: Scores
    overlapping: Scores


class _Located(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def entity_type(self) -> str: ...


class _Counts(NamedTuple):
    """Counts of one entity type in one or more texts."""

    right: int
    found: int
    hit: int
    labels: int


def score_types(
    texts: Sequence[LabelledText], found: Sequence[Sequence[_Located]], entity_types: Iterable[str]
) -> Iterator[TypeQuality]:
    """Compare what was found in each text with its labels; yield the scores type by type."""
    for entity_type in entity_types:
        holding = {t.template for t in texts if any(x.entity_type == entity_type for x in t.labels)}
        yield TypeQuality(
            entity_type=entity_type,
            labels=sum(x.entity_type == entity_type for text in texts for x in text.labels),
            templates=len(holding),
            exact=_scores(texts, found, entity_type, len(holding), _same),
            overlapping=_scores(texts, found, entity_type, len(holding), _overlap),
        )


def _scores(
    texts: Sequence[LabelledText],
    found: Sequence[Sequence[_Located]],
    entity_type: str,
    templates: int,
    hits: Callable[[_Located, _Located], bool],
) -> Scores:
    by_template: dict[str, list[_Counts]] = defaultdict(list)
    for text, spans in zip(texts, found, strict=True):
        by_template[text.template].append(_counts(text.labels, spans, entity_type, hits))
    table = np.array([np.sum(counts, axis=0) for counts in by_template.values()], dtype=np.int64)
    right, count, hit, labels = (int(total) for total in table.sum(axis=0))
    low, high = _resample(table) if templates > 1 else (None, None)
    return Scores(
        precision=Rate.of_counts(right, count),
        recall=Rate.of_counts(hit, labels),
        f1=round(float(_f1(table.sum(axis=0, keepdims=True))[0]), 6) if labels else None,
        f1_low=low,
        f1_high=high,
    )


def _counts(
    labels: Sequence[Label],
    spans: Sequence[_Located],
    entity_type: str,
    hits: Callable[[_Located, _Located], bool],
) -> _Counts:
    own = [label for label in labels if label.entity_type == entity_type]
    related = [label for label in labels if label.entity_type == _RELATED.get(entity_type)]
    counted = [
        span
        for span in spans
        if span.entity_type == entity_type
        and (any(_overlap(span, x) for x in own) or not any(_overlap(span, x) for x in related))
    ]
    return _Counts(
        right=sum(any(hits(span, label) for label in own) for span in counted),
        found=len(counted),
        hit=sum(any(hits(span, label) for span in counted) for label in own),
        labels=len(own),
    )


def _same(span: _Located, label: _Located) -> bool:
    return (span.start, span.end) == (label.start, label.end)


def _overlap(span: _Located, label: _Located) -> bool:
    return span.start < label.end and label.start < span.end


def _resample(table: np.ndarray) -> tuple[float, float]:
    """Return the middle 95% of F1 when templates are drawn again with replacement; (templates, 4) counts.

    By hand: draws without a label are left out, which scipy's bootstrap does not do.
    """
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    weights = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), size=RESAMPLES)
    drawn = weights @ table
    low, high = np.percentile(_f1(drawn[drawn[:, 3] > 0]), [2.5, 97.5])
    return round(float(low), 6), round(float(high), 6)


def _f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 of rows of (right, found, hit, labels), each with a label."""
    right, found, hit, labels = counts.T
    precision, recall = right / np.maximum(found, 1), hit / labels  # P, R
    both = precision + recall
    return np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0.0)
