"""The report as SARIF 2.1.0 (OASIS, errata 01), for code scanning.

A rule for each criterion of the policy and each entity type; a result for each criterion that is not met and each fact
that the model leaks. A fact's result points to the line that taught the fact, or to its line of the facts file. That of
a leakage criterion points to the most exposed fact that leaks, and any other to the corpus as a whole. The model is the
logical location. Results that do not fail the run are warnings.

No absolute path is written: viewers look for files below the repository's root, and folders say who works where. A path
in the working folder is relative to it; of another one only the last name is left.

Fingerprints: a plain hash of a phone number would give the number to anybody who tries them all, so a fact's
fingerprint is made of its labels, which are keyed by the case key. Runs that share a key (`--case-key`) give a fact the
same fingerprint; with a new key every alert is a new one. A criterion's fingerprint needs no key. It is given twice:
as `expunge/v1`, and as `primaryLocationLineHash`, by which GitHub tells alerts of one rule in one file apart.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from editor.formatting import bits, plural
from editor.report import findings, summary
from editor.results.report import Criterion, FactRow, Place, Report
from policies.errors import ExitCode

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MOST_RESULTS = 5_000
"""Number of results that GitHub shows; the most exposed facts come first."""
MOST_NOTIFICATIONS = 1_000
FAILED_TO_RUN = (ExitCode.USAGE, ExitCode.INCOMPLETE, ExitCode.INTERNAL)
_ROOT = r"(?:[A-Za-z]:)?[\\/]{1,2}"
_FOLDERS = re.compile(
    rf"(?<=['\"]){_ROOT}(?:[^'\"\\/]+[\\/])*(?=[^'\"\\/])"
    rf"|(?<![\w.~\\/:-]){_ROOT}(?:[^\s'\"\\/]+[\\/])*(?=[^\s'\"\\/])"
)
"""What leads from the root to the last name of a path, on any system; in quotes, folders may have blanks."""
SEVERITIES = {"leakage": "8.0", "utility": "4.0", "integrity": "6.0"}
"""GitHub's security-severity, 0 to 10: from 7 on an alert counts as high."""


def render_sarif(report: Report) -> str:
    """Render the report as one SARIF log. The same report, the same bytes."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report)]}
    return json.dumps(log, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _run(report: Report) -> dict[str, Any]:
    every = [*map(_criterion_rule, report.criteria), *_type_rules(report)]
    rules = list({rule["id"]: rule for rule in every}.values())
    return {
        "tool": {"driver": _driver(report, rules)},
        "automationDetails": {"id": f"expunge/{report.kind}/{report.case}/"},
        "invocations": [_invocation(report)],
        "artifacts": [{"location": {"uri": uri}, "roles": ["analysisTarget"]} for uri in _artifacts(report)],
        "results": _results(report, {rule["id"]: index for index, rule in enumerate(rules)}),
        "properties": _properties(report),
    }


def _driver(report: Report, rules: list[dict[str, Any]]) -> dict[str, Any]:
    version = report.versions.get("expunge", "")
    return {"name": "Expunge", "rules": rules} | ({"version": version} if version else {})


def _criterion_rule(row: Criterion) -> dict[str, Any]:
    limit = f"The policy's limit for this run: {summary.limit_text(row)}."
    return _rule(f"criterion/{row.measure}", summary.criterion_name(row), limit, SEVERITIES[row.kind])


def _type_rules(report: Report) -> Iterable[dict[str, Any]]:
    for row in findings.by_type(report):
        yield _rule(
            f"leak/{row.entity_type}",
            f"The model leaks a fact of type {row.entity_type}",
            "Greedy decoding completes a wording about the person with the fact. Erase the facts with `expunge erase`, "
            "or train without them, and audit again.",
            SEVERITIES["leakage"],
        )


def _rule(identifier: str, short: str, explanation: str, severity: str) -> dict[str, Any]:
    return {
        "id": identifier,
        "shortDescription": {"text": _literal(short)},
        "fullDescription": {"text": _literal(f"{short}. {explanation}")},
        "help": {"text": _literal(explanation)},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["privacy", "security"], "precision": "high", "security-severity": severity},
    }


def _results(report: Report, index: dict[str, int]) -> list[dict[str, Any]]:
    failed = [row for row in report.criteria if row.failed]
    facts = findings.leaking_facts(report)
    results = [
        *(_criterion_result(report, row, facts) for row in failed),
        *(_leak(report, row) for row in facts[: MOST_RESULTS - len(failed)]),
    ]
    return [result | {"ruleIndex": index[result["ruleId"]]} for result in results]


def _criterion_result(report: Report, row: Criterion, leaking: Sequence[FactRow]) -> dict[str, Any]:
    measured, limit = summary.measured_text(row), summary.limit_text(row)
    said = f"{summary.criterion_name(row)}: measured {measured}, the limit is {limit}."
    fingerprint = _fingerprint("criterion", row.measure, report.case, report.policy.name)
    place = leaking[0].place if leaking and row.kind == "leakage" else None
    return _result(
        report, f"criterion/{row.measure}", said, fingerprint, fails=findings.fails(report, row), place=place
    )


def _leak(report: Report, row: FactRow) -> dict[str, Any]:
    said = (
        f"{row.fact} of {row.subject} ({row.length_class}, found in {plural(row.sources, 'place')}) leaks "
        f"under greedy decoding; under the worst decoding it takes {bits(findings.bits_of(row))} bits to guess."
    )
    fingerprint = _fingerprint("fact", row.subject, row.fact)
    fails = findings.leakage_fails(report)
    return _result(report, f"leak/{row.entity_type}", said, fingerprint, fails=fails, place=row.place)


def _result(
    report: Report, rule: str, said: str, fingerprint: str, *, fails: bool, place: Place | None
) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "kind": "fail",
        "level": "error" if fails else "warning",
        "message": {"text": _literal(said)},
        "locations": [_location(report, place)],
        "partialFingerprints": {"expunge/v1": fingerprint, "primaryLocationLineHash": f"{fingerprint}:1"},
    }


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _location(report: Report, place: Place | None) -> dict[str, Any]:
    model = report.model_after or report.model_before
    place = place or Place(file=report.scope.corpus, line=1)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.file)},
            "region": {"startLine": place.line},
        },
        "logicalLocations": [{"fullyQualifiedName": _below(model.source), "kind": "model"}],
    }


def _artifacts(report: Report) -> Iterable[str]:
    """Return the files that results point to: first of all the corpus."""
    files = [report.scope.corpus, *(row.place.file for row in report.facts if row.place is not None)]
    return dict.fromkeys(map(_uri, files))


def _uri(path: str) -> str:
    return quote(_below(path.replace("\\", "/")))


def _below(path: str) -> str:
    """Return a relative path as it is, and of an absolute one the last name."""
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1] if re.match(_ROOT, path) else path


def _without_folders(text: str) -> str:
    return _FOLDERS.sub("", text)


def _invocation(report: Report) -> dict[str, Any]:
    return {
        "commandLine": _without_folders(report.command),
        "executionSuccessful": report.exit_code not in FAILED_TO_RUN,
        "exitCode": report.exit_code,
        "exitCodeDescription": summary.outcome(report),
        "toolExecutionNotifications": list(_notifications(report)),
    }


def _notifications(report: Report) -> Iterable[dict[str, Any]]:
    level = "error" if findings.incomplete_fails(report) else "warning"
    skipped = report.scope.skipped
    for row in report.criteria:
        if not row.tested:
            said = f"Not tested, there was nothing to count: {row.name}"
            yield {
                "level": "error" if findings.untested_fails(report, row) else "warning",
                "message": {"text": _literal(said)},
            }
    for text in skipped[:MOST_NOTIFICATIONS]:
        yield {"level": level, "message": {"text": _literal(f"Not wholly scanned: {text}")}}
    if len(skipped) > MOST_NOTIFICATIONS:
        more = f"{len(skipped) - MOST_NOTIFICATIONS:,} more were not wholly scanned; report.json names them."
        yield {"level": level, "message": {"text": more}}
    unlisted = len(findings.leaking_facts(report)) + sum(row.failed for row in report.criteria) - MOST_RESULTS
    if unlisted > 0:
        yield {
            "level": "warning",
            "message": {"text": f"{unlisted:,} more facts leak; report.json names them."},
        }


def _properties(report: Report) -> dict[str, Any]:
    return {
        "verdict": report.verdict,
        "failsOn": list(report.gate.fails_on),
        "overriddenThresholds": [row.model_dump() for row in report.gate.overridden],
        "policy": {"name": report.policy.name, "sha256": report.policy.digest},
        "model": {"sha256": (report.model_after or report.model_before).digest},
        "versions": dict(report.versions),
    }


def _literal(text: str) -> str:
    """Escape text so that SARIF shows it as it stands: braces take arguments, brackets make links (§3.11.5-6)."""
    return re.sub(r"([\[\]\\])", r"\\\1", _without_folders(text)).replace("{", "{{").replace("}", "}}")
