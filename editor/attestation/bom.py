"""The checkpoint that a run judged as a CycloneDX 1.6 bill of materials for machine learning.

It is derived from the report and the digests of the checkpoint's files, byte for byte: it has no timestamp, and its
serial number is derived from the rest.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from editor.attestation.statement import canonical
from editor.results.report import Criterion, ModelSummary, Report

BOM = "bom.json"
SPEC_VERSION = "1.6"
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
NAMESPACE = uuid5(NAMESPACE_URL, "expunge/bom")
MODEL = "machine-learning-model"


def bom_text(report: Report, files: Mapping[str, str]) -> str:
    """Return the bill of materials.

    Args:
        report: what was measured.
        files: digests of the checkpoint's files by their names in it; none where they are not known.
    """
    judged = report.model_after or report.model_before
    component = {
        **_model(judged, "checkpoint"),
        "components": [
            {"type": "file", "name": name, "hashes": _hashes(digest)}
            for name, digest in sorted(files.items())
        ],
        "modelCard": _card(report, judged),
    }
    if report.model_after is not None:
        component["pedigree"] = {
            "ancestors": [_model(report.model_before, "checkpoint-before")],
            "notes": f"Weights changed by {report.edit.method}." if report.edit else "An edited checkpoint.",
        }
    bom = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"tools": {"components": _tools(report)}, "component": component},
    }
    return canonical({**bom, "serialNumber": uuid5(NAMESPACE, canonical(bom)).urn})


def _model(model: ModelSummary, reference: str) -> dict[str, Any]:
    """Return a checkpoint as a component, named without the folder that it lay in."""
    return {
        "type": MODEL,
        "bom-ref": reference,
        "name": PurePath(model.source).name or "model",
        "hashes": _hashes(model.digest),
    }


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _tools(report: Report) -> list[dict[str, str]]:
    return [
        {"type": "application" if name == "expunge" else "library", "name": name, "version": version}
        for name, version in sorted(report.versions.items())
    ]


def _card(report: Report, judged: ModelSummary) -> dict[str, Any]:
    return {
        "modelParameters": {"task": "text-generation", "modelArchitecture": judged.architecture},
        "quantitativeAnalysis": {"performanceMetrics": [_metric(row) for row in report.criteria]},
        "considerations": {"technicalLimitations": list(report.residual_risk)},
    }


def _metric(row: Criterion) -> dict[str, Any]:
    metric: dict[str, Any] = {
        "type": row.measure,
        "value": "not tested" if row.measured is None else repr(row.measured),
        "slice": row.name,
    }
    if row.counted is not None:
        bounds = {"lowerBound": repr(row.counted.low), "upperBound": repr(row.counted.high)}
        metric["confidenceInterval"] = bounds
    return metric
