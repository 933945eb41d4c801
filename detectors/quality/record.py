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
    """A measurement of a policy's detection. It holds counts alone, nothing personal.

    Attributes:
        version: version of this format.
        policy: name of the policy.
        digest: SHA-256 (hexadecimal) of everything in the policy that detection depends on.
        source: name of the file of labelled texts.
        split: the half of the texts that was read, or `all`.
        texts: number of texts read.
        templates: number of templates that they come from.
        incomplete: number of texts that were not completely scanned.
        model: name of the named entity model at work, or None.
        types: scores by entity type that the policy finds and the labels know.
        uncovered: number of labels by type that the policy does not look for.
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
    """Return the SHA-256 (hexadecimal) of what detection depends on.

    That is the policy's language, countries, named entity model, types, thresholds, patterns and context.
    """
    data = policy.model_dump(mode="json", exclude={"name", "description", "leakage", "utility", "decoding"})
    data.pop("seed")
    for rule in data["entities"].values():
        for words in ("relation", "templates", "verification_templates"):
            rule.pop(words)
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def quality_json(quality: Quality) -> str:
    """Return the canonical text of a quality file."""
    return json.dumps(quality.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def read_quality(path: Path) -> Quality:
    """Read what `expunge detect --score ... --output` wrote.

    Raises:
        CorpusError: the file is missing, or not such a file.
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
    """Return what is wrong with the first key that is; values are not repeated."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, problem["loc"]))
    if not where:
        return "is not a measurement of detection"
    if where == "version":
        return f"is not a measurement of detection of version {VERSION}"
    return f"is not a measurement of detection: `{where}`, {problem['msg'].lower()}"


def coverage_lines(quality: Quality, policy: Policy | None = None) -> tuple[str, ...]:
    """Return the measured recall in plain sentences, for the coverage section of a report.

    Args:
        quality: the measurement.
        policy: policy of the run that is reported; a sentence says so where another was measured.
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
            f"{scored.entity_type}: {_show_rate(recall)} of {recall.of} were found; "
            f"{_show_rate(precision)} of {precision.of} finds were right"
        )
    if quality.unlabelled:
        lines.append(f"Recall is unknown, no label there: {', '.join(quality.unlabelled)}")
    return tuple(lines)


def _show_rate(rate: Rate) -> str:
    if rate.share is None:
        return "none"
    return f"{rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})"
