"""The record of a measurement: its file format, its reader, and its sentences for a report."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from detectors.quality.labelled import Split
from detectors.quality.scores import Count, Rate, TypeQuality
from policies import Policy
from policies.errors import CorpusError
from policies.reading import StrictModel

VERSION: Literal[1] = 1


_REMEDY = "Write one with `expunge detect --score ... --output`"


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

    version: Literal[1] = VERSION
    policy: str
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    source: str
    split: Split
    texts: Count
    templates: Count
    incomplete: Count
    model: str | None
    types: tuple[TypeQuality, ...]
    uncovered: dict[str, Count]
    unlabelled: tuple[str, ...]


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
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"The file {path} cannot be read ({error.strerror})", _REMEDY) from None
    try:
        return Quality.model_validate_json(content)
    except ValidationError as error:
        raise CorpusError(f"The file {path} {_reason(error)}", _REMEDY) from None


def _reason(error: ValidationError) -> str:
    """What is wrong with the first key that is; values are not repeated."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, problem["loc"]))
    if not where:
        return "is not a measurement of detection"
    if where == "version":
        return f"is not a measurement of detection of version {VERSION}"
    return f"is not a measurement of detection: `{where}`, {problem['msg'].lower()}"


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
