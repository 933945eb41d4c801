"""How much of what people marked as personal a policy's detection finds, and how much of it is right."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import ValidationError

from detectors.labelled import Label, LabelledText, Split, split_by_template
from policies import Policy
from policies.errors import CorpusError
from policies.reading import StrictModel

if TYPE_CHECKING:
    from spacy.language import Language

RESAMPLES = 1_000
BOOTSTRAP_SEED = 0
_NORMAL_95 = 1.959964
# Where one annotator marks a town as part of an address another marks a place: such a find is not counted.
_RELATED = {"LOCATION": "STREET_ADDRESS", "STREET_ADDRESS": "LOCATION"}


class Rate(StrictModel):
    """A share with its 95% interval (Wilson), which takes spans for independent of each other.

    Attributes:
        hits: how many of them.
        of: out of how many.
        share: hits / of; None where there was nothing to count.
        low: lower end of the interval.
        high: upper end.
    """

    hits: int
    of: int
    share: float | None
    low: float
    high: float

    @classmethod
    def of_counts(cls, hits: int, of: int) -> "Rate":
        """Wilson's interval: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)."""
        if of == 0:
            return cls(hits=0, of=0, share=None, low=0.0, high=1.0)
        share, square = hits / of, _NORMAL_95**2
        middle = share + square / (2 * of)
        reach = _NORMAL_95 * (share * (1 - share) / of + square / (4 * of * of)) ** 0.5
        scale = 1 + square / of
        low, high = max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
        return cls(hits=hits, of=of, share=round(share, 6), low=round(low, 6), high=round(high, 6))


class Scores(StrictModel):
    """Precision, recall and F1 of one entity type under one rule of what a hit is.

    Attributes:
        precision: of the spans found, those that hit a label.
        recall: of the labels, those hit by a span.
        f1: 2PR / (P + R); 0 where nothing was found; None where there is no label.
        f1_low: 2.5th percentile of F1 over resampled templates; None with fewer than two templates.
        f1_high: 97.5th percentile.
    """

    precision: Rate
    recall: Rate
    f1: float | None
    f1_low: float | None
    f1_high: float | None


class TypeQuality(StrictModel):
    """Scores of one entity type.

    Attributes:
        entity_type: by Expunge's name.
        labels: how many spans people marked.
        templates: how many templates hold them.
        exact: a hit has the label's own first and last character.
        overlapping: a hit shares a character with a label.
    """

    entity_type: str
    labels: int
    templates: int
    exact: Scores
    overlapping: Scores


class Quality(StrictModel):
    """What detection by a policy was measured to find. Holds counts alone, nothing personal.

    Attributes:
        version: of this format.
        policy: its name.
        digest: of everything in the policy that detection depends on.
        source: the name of the file of labelled texts.
        split: which of them were read.
        texts: how many.
        templates: how many templates they come from.
        incomplete: texts that were not completely scanned.
        model: the named entity model at work, or None.
        types: scores by entity type that the policy finds and the labels know.
        uncovered: labels of types that the policy does not look for.
        unlabelled: types of the policy that no label has: nothing is known about them.
    """

    version: Literal[1] = 1
    policy: str
    digest: str
    source: str
    split: Split
    texts: int
    templates: int
    incomplete: int
    model: str | None
    types: tuple[TypeQuality, ...]
    uncovered: dict[str, int]
    unlabelled: tuple[str, ...]


class _Located(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def entity_type(self) -> str: ...


class _Counts(NamedTuple):
    """Of one entity type in one or more texts."""

    right: int
    found: int
    hit: int
    labels: int


def measure_quality(
    texts: Sequence[LabelledText],
    policy: Policy,
    *,
    source: str,
    split: Split = "all",
    pipeline: "Language | None" = None,
    on_text: Callable[[], None] | None = None,
) -> Quality:
    """Detect in labelled texts, with an empty register of names, and compare.

    Args:
        texts: all of them, before they are split.
        policy: whose detection is measured.
        source: what to call the texts.
        split: `development` to improve patterns on, `test` for figures, or `all`.
        pipeline: a spaCy pipeline to use instead of the policy's.
        on_text: called after each text, for progress.

    Raises:
        CorpusError: the split is empty.
        PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
    """
    from detectors.engine import Engine
    from detectors.register import Register

    chosen = split_by_template(texts, split)
    if not chosen:
        raise CorpusError(f"The {split} half of {source} is empty", "Give texts of more templates")
    engine = Engine(policy, Register(), pipeline)
    found: list[tuple[Label, ...]] = []
    incomplete = 0
    for text in chosen:
        scan = engine.scan(text.text)
        incomplete += bool(scan.problems)
        found.append(tuple(Label(start=s.start, end=s.end, entity_type=s.entity_type) for s in scan.spans))
        if on_text is not None:
            on_text()
    labelled = Counter(label.entity_type for text in chosen for label in text.labels)
    return Quality(
        policy=policy.name,
        digest=detection_digest(policy),
        source=source,
        split=split,
        texts=len(chosen),
        templates=len({text.template for text in chosen}),
        incomplete=incomplete,
        model=engine.model,
        types=tuple(score_types(chosen, found, sorted(set(policy.entities) & set(labelled)))),
        uncovered={name: labelled[name] for name in sorted(set(labelled) - set(policy.entities))},
        unlabelled=tuple(sorted(set(policy.entities) - set(labelled))),
    )


def score_types(
    texts: Sequence[LabelledText], found: Sequence[Sequence[_Located]], entity_types: Iterable[str]
) -> Iterator[TypeQuality]:
    """Compare what was found in each text with its labels, type by type."""
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
    low, high = _resampled(table) if templates > 1 else (None, None)
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


def _resampled(table: np.ndarray) -> tuple[float, float]:
    """The middle 95% of F1 when templates are drawn again with replacement; (templates, 4) counts."""
    generator = np.random.default_rng(BOOTSTRAP_SEED)
    weights = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), size=RESAMPLES)
    drawn = weights @ table
    low, high = np.percentile(_f1(drawn[drawn[:, 3] > 0]), [2.5, 97.5])
    return round(float(low), 6), round(float(high), 6)


def _f1(counts: np.ndarray) -> np.ndarray:
    """F1 of rows of (right, found, hit, labels), each with a label."""
    right, found, hit, labels = counts.T
    precision, recall = right / np.maximum(found, 1), hit / labels
    both = precision + recall
    return np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0.0)


def detection_digest(policy: Policy) -> str:
    """SHA-256 (hexadecimal) of what detection depends on: language, types, thresholds, patterns, context."""
    data = policy.model_dump(mode="json", exclude={"name", "description", "leakage", "utility", "decoding"})
    data.pop("seed")
    for rule in data["entities"].values():
        for words in ("relation", "templates", "verification_templates"):
            rule.pop(words)
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def quality_json(quality: Quality) -> str:
    """The canonical text of a quality file."""
    return json.dumps(quality.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def read_quality(path: Path) -> Quality:
    """Read what `expunge detect --score ... --output` wrote.

    Raises:
        CorpusError: missing, or not such a file.
    """
    try:
        return Quality.model_validate_json(path.read_bytes())
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except ValidationError:
        reason = "is not a measurement of detection"
    raise CorpusError(f"The file {path} {reason}", "Write one with `expunge detect --score ... --output`")


def coverage_lines(quality: Quality, policy: Policy | None = None) -> tuple[str, ...]:
    """The measured recall in plain sentences, for the coverage section of a report.

    Args:
        quality: of a detector.
        policy: of the run that is reported; a sentence says so where another was measured.
    """
    half = "" if quality.split == "all" else f"the {quality.split} half of "
    model = f"with {quality.model}" if quality.model else "without a named entity model"
    lines = [
        f"Detection was measured on {quality.texts} labelled texts ({half}{quality.source}), {model}, "
        "by overlapping spans, with 95% intervals"
    ]
    if policy is not None and detection_digest(policy) != quality.digest:
        lines.append("It was measured with other detection settings than this run's: it may not hold here")
    for scored in quality.types:
        recall, precision = scored.overlapping.recall, scored.overlapping.precision
        lines.append(
            f"{scored.entity_type}: {_shown(recall)} of {recall.of} were found; "
            f"{_shown(precision)} of {precision.of} finds were right"
        )
    if quality.unlabelled:
        lines.append(f"Recall is unknown, no label there: {', '.join(quality.unlabelled)}")
    return tuple(lines)


def _shown(rate: Rate) -> str:
    if rate.share is None:
        return "none"
    return f"{rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})"
