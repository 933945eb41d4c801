"""The report as JUnit XML, for the test view of a CI server.

A suite for each kind of criterion, one for the people in scope and one for what was read; a case for each criterion,
each person and each document that was not wholly scanned. There is a failure or an error exactly where the exit code
is not 0: what is not met but does not fail the run is `skipped`, with the reason. No times and no host, so that the
same report gives the same bytes. Valid by the schema of Jenkins' xUnit plug-in too.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from editor.formatting import bits, interval, plural
from editor.report import findings, summary
from editor.results.report import Criterion, Report, SubjectRow

COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, even escaped."""


def render_junit(report: Report) -> str:
    """Render the report as one JUnit XML document. The same report, the same bytes."""
    root = Element("testsuites", {"name": f"expunge {report.kind}"})
    for name, cases in _suites(report):
        _add_suite(root, name, cases)
    _add_properties(root[0], report)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suites(report: Report) -> Iterator[tuple[str, list[Element]]]:
    for kind, rows in groupby(sorted(report.criteria, key=_kind_order), key=lambda row: row.kind):
        yield kind, [_criterion(report, row) for row in rows]
    yield "people", list(_people(report))
    yield "coverage", [_read(report, text) for text in report.scope.skipped or ("everything was read",)]


def _kind_order(row: Criterion) -> int:
    return ("leakage", "utility", "integrity").index(row.kind)


def _add_suite(root: Element, name: str, cases: list[Element]) -> None:
    suite = SubElement(root, "testsuite", {"name": f"expunge.{name}", "tests": str(len(cases))})
    for attribute, tag in COUNTED.items():
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    for case in cases:
        case.set("classname", f"expunge.{name}")
        suite.append(case)


def _criterion(report: Report, row: Criterion) -> Element:
    case = Element("testcase", {"name": _clean(f"{row.measure}: {row.name}")})
    measured, limit = summary.measured_text(row), summary.limit_text(row)
    if findings.fails(report, row):
        counted = f"; 95% interval: {interval(row.counted)}" if row.counted else ""
        said = f"{summary.criterion_name(row)}: measured {measured}, the limit is {limit}{counted}."
        _add(case, "failure", f"{measured}, the limit is {limit}", row.measure, said)
    elif not row.tested and findings.untested_fails(report, row):
        _add(case, "error", "not tested: there was nothing to count", "untested")
    elif not row.tested:
        _add(case, "skipped", "not tested: there was nothing to count, which does not fail this run")
    elif not row.passed:
        _add(case, "skipped", f"not met ({measured}, the limit is {limit}), but this run does not fail on it")
    return case


def _people(report: Report) -> Iterator[Element]:
    labels: dict[str, list[str]] = defaultdict(list)
    for fact in findings.leaking_facts(report):
        labels[fact.subject].append(fact.fact)
    for row in findings.most_exposed_subjects(report):
        yield _subject(report, row, labels[row.subject])


def _subject(report: Report, row: SubjectRow, labels: list[str]) -> Element:
    case = Element("testcase", {"name": _clean(row.subject)})
    leaked = findings.leaked(row)
    said = f"{leaked:,} of {plural(row.facts, 'fact')} leaked"
    exposed = f"The most exposed fact takes {bits(findings.bits_of(row))} bits to guess."
    if leaked and findings.leakage_fails(report):
        _add(case, "failure", said, "leak", f"{', '.join(labels)}\n{exposed}")
    elif leaked:
        _add(case, "skipped", f"{said}, which does not fail this run")
    else:
        SubElement(case, "system-out").text = exposed
    return case


def _read(report: Report, name: str) -> Element:
    case = Element("testcase", {"name": _clean(name)})
    if findings.incomplete(report) and findings.incomplete_fails(report):
        _add(case, "error", "something was skipped", "incomplete")
    elif findings.incomplete(report):
        _add(case, "skipped", "not wholly scanned, but this run does not fail on it")
    return case


def _add(case: Element, tag: str, message: str, kind: str | None = None, text: str | None = None) -> None:
    element = SubElement(case, tag, {"message": _clean(message)})
    if kind is not None:
        element.set("type", _clean(kind))
    element.text = None if text is None else _clean(text)


def _add_properties(suite: Element, report: Report) -> None:
    properties = Element("properties")
    for name, value in _properties(report):
        SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    suite.insert(0, properties)


def _properties(report: Report) -> Iterable[tuple[str, str]]:
    yield "exit_code", str(report.exit_code)
    yield "outcome", summary.outcome(report)
    yield "verdict", report.verdict
    yield "fails_on", ", ".join(report.gate.fails_on) or "none"
    for row in report.gate.overridden:
        own = "none" if row.policy is None else f"{row.policy:g}"
        yield f"threshold.{row.threshold}", f"{row.run:g} (policy: {own})"
    yield "case", report.case
    yield "command", report.command
    yield "policy.name", report.policy.name
    yield "policy.sha256", report.policy.digest
    yield "model.sha256", (report.model_after or report.model_before).digest
    for name in sorted(report.versions):
        yield f"version.{name}", report.versions[name]


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
