"""The run as an in-toto Statement (https://in-toto.io/Statement/v1) with a test-result predicate.

It is derived from the manifest and the report alone, byte for byte, so that a check can derive it again. The figures,
which the predicate has no field for, stand under `expunge`.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from editor.results.forgetting import ForgetQuality
from editor.results.report import Criterion, Rate, Report
from policies.errors import ExitCode

STATEMENT = "statement.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
FIGURES_VERSION = 1
CHECKPOINT_FOLDER = "model/"
TENSORS = "names, shapes, dtypes and bytes of every tensor"
KEYED_INPUTS = ("facts", "probes")
"""Inputs of which the manifest holds a keyed hash: they hold the secrets themselves."""


def canonical(value: object) -> str:
    """Return canonical JSON: sorted keys, two spaces, a newline at the end."""
    return json.dumps(_finite(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    """Write numbers that JSON does not know, such as a perplexity that has no bound, as text."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def statement_text(manifest: str, report: Report) -> str:
    """Return the Statement about a run.

    Args:
        manifest: text of manifest.json.
        report: what was measured.
    """
    data = json.loads(manifest)
    judged = report.model_after or report.model_before
    whole = {
        "name": "checkpoint",
        "digest": {"sha256": judged.digest},
        "annotations": {"digestOver": TENSORS},
    }
    files = [_descriptor(name, digest) for name, digest in sorted(checkpoint_files(data).items())]
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [whole, *files],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "result": _result(report),
                "configuration": _configuration(manifest, data, report),
                "url": "report.html",
                "passedTests": _tests(report, "pass"),
                "warnedTests": _tests(report, "not tested"),
                "failedTests": _tests(report, "fail"),
                "expunge": _figures(data, report),
            },
        }
    )


def checkpoint_files(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests of the judged checkpoint's files: those in the folder, or the ones that lie elsewhere."""
    files = {name: str(entry["sha256"]) for name, entry in manifest["files"].items()}
    return model_files(files) or dict(manifest.get("checkpoint", {}))


def model_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files of the checkpoint that a run wrote, by their names in it, of a whole folder's."""
    inside = {name: digest for name, digest in files.items() if name.startswith(CHECKPOINT_FOLDER)}
    return {name.removeprefix(CHECKPOINT_FOLDER): digest for name, digest in inside.items()}


def _descriptor(name: str, digest: str, algorithm: str = "sha256") -> dict[str, Any]:
    return {"name": name, "digest": {algorithm: digest}}


def _configuration(manifest: str, data: Mapping[str, Any], report: Report) -> list[dict[str, Any]]:
    """Return what the run was judged by, and the files that the Statement vouches for."""
    inputs, files = data["inputs"], data["files"]
    keyed = [_descriptor(name, inputs[name], "hmacSha256") for name in KEYED_INPUTS if name in inputs]
    written = [
        _descriptor(name, files[name]["sha256"]) for name in ("report.json", "bom.json") if name in files
    ]
    whole = _descriptor("manifest.json", hashlib.sha256(manifest.encode()).hexdigest())
    return [_descriptor("policy", report.policy.digest), *keyed, *written, whole]


def _result(report: Report) -> str:
    """Return FAILED where the run fails by its policy, PASSED where all was tested and met, else WARNED."""
    if report.exit_code in (ExitCode.LEAKAGE, ExitCode.UTILITY):
        return "FAILED"
    met = report.exit_code == ExitCode.MET and not report.gate.waived
    return "PASSED" if met and all(row.passed for row in report.criteria) else "WARNED"


def _tests(report: Report, result: str) -> list[str]:
    return [row.measure for row in report.criteria if row.result == result]


def _figures(data: Mapping[str, Any], report: Report) -> dict[str, Any]:
    return {
        "version": FIGURES_VERSION,
        "kind": report.kind,
        "case": {"hmacSha256": data["inputs"].get("case")},
        "verdict": report.verdict,
        "exitCode": report.exit_code,
        "seed": report.seed,
        "versions": report.versions,
        "checkpointBefore": report.model_before.digest,
        "facts": report.scope.facts_in_scope,
        "subjects": report.scope.subjects_in_scope,
        "method": report.edit.method if report.edit else None,
        "criteria": [_criterion(row) for row in report.criteria],
        "attacks": [
            {"name": row.attack or row.name, "leaking": _rate(row.greedy_facts)} for row in report.attacks
        ],
        "retainedDivergence": report.retained_divergence,
    } | ({"forgetQuality": _forgotten(report.forget_quality)} if report.forget_quality else {})


def _forgotten(found: ForgetQuality) -> dict[str, Any]:
    return {
        "against": found.against,
        "reference": found.reference.digest if found.reference else None,
        "facts": len(found.facts),
        "neverSeen": len(found.never_seen),
        "tested": found.tested,
        "statistic": found.statistic,
        "p": found.p,
        "smallestDifference": found.smallest_difference,
        "moreLikely": _rate(found.more_likely),
        "lessLikely": _rate(found.less_likely),
        "outsideByChance": found.by_chance,
    }


def _criterion(row: Criterion) -> dict[str, Any]:
    return {
        "name": row.measure,
        "kind": row.kind,
        "comparison": row.comparison,
        "threshold": row.threshold,
        "measured": row.measured,
        "counted": _rate(row.counted) if row.counted else None,
        "result": row.result,
    }


def _rate(rate: Rate) -> dict[str, Any]:
    """Return a share with its Clopper-Pearson 95% interval."""
    return {"hits": rate.hits, "total": rate.total, "interval": [rate.low, rate.high]}
