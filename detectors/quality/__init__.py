"""Quality: the share of what people marked as personal that detection finds.

`measure_quality` compares, `quality_json` writes the record, `read_quality` reads it again and `coverage_lines`
says it in plain sentences. Reading needs no Presidio.
"""

from detectors.quality.labelled import SPLITS, Label, LabelledText, Split, read_labelled, split_by_template
from detectors.quality.measure import measure_quality
from detectors.quality.record import Quality, coverage_lines, detection_digest, quality_json, read_quality
from detectors.quality.scores import Rate, Scores, TypeQuality, score_types

__all__ = [
    "SPLITS",
    "Label",
    "LabelledText",
    "Quality",
    "Rate",
    "Scores",
    "Split",
    "TypeQuality",
    "coverage_lines",
    "detection_digest",
    "measure_quality",
    "quality_json",
    "read_labelled",
    "read_quality",
    "score_types",
    "split_by_template",
]
