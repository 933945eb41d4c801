"""What a gate reports one by one: facts that leak and the people they are about, and whether that fails the run.

JUnit, SARIF and the pull request's summary read it from here, so that none of them contradicts the exit code.
"""

from collections.abc import Sequence
from typing import NamedTuple

from editor.measuring.criteria import CRITERIA
from editor.results.report import Criterion, FactRow, Rate, Report, SubjectRow


class TypeLeaks(NamedTuple):
    """The facts in scope of one entity type."""

    entity_type: str
    leaked_before: Rate
    leaked_after: Rate | None
    fewest_bits: float
    """Worst-case bits of the most exposed fact, in the model judged."""


def leaks(row: FactRow) -> bool:
    """Return whether the model judged leaks the fact."""
    return row.leaked_before if row.leaked_after is None else row.leaked_after


def leaked(row: SubjectRow) -> int:
    """Count the facts of a subject that the model judged leaks."""
    return row.leaked_before if row.leaked_after is None else row.leaked_after


def bits_of(row: FactRow | SubjectRow) -> float:
    """Return the worst-case bits in the model judged."""
    after = row.worst_case_bits_after
    return row.worst_case_bits_before if after is None else after


def fails(report: Report, row: Criterion) -> bool:
    """Return whether a criterion that is not met fails the run."""
    return row.failed and CRITERIA[row.measure].outcome in report.gate.fails_on


def untested_fails(report: Report, row: Criterion) -> bool:
    """Return whether a criterion that had nothing to count makes the run fail as incomplete."""
    return row.missing and incomplete_fails(report)


def leakage_fails(report: Report) -> bool:
    """Return whether the run fails for leakage; otherwise the policy, or the run, puts up with what leaks."""
    return any(fails(report, row) for row in report.criteria if row.kind == "leakage")


def incomplete(report: Report) -> bool:
    """Return whether part of the corpus was skipped."""
    return bool(report.scope.skipped)


def incomplete_fails(report: Report) -> bool:
    """Return whether what was skipped fails the run."""
    return "incomplete" in report.gate.fails_on


def leaking_facts(report: Report) -> list[FactRow]:
    """Return the facts that the model judged leaks, the most exposed first."""
    return sorted(filter(leaks, report.facts), key=lambda row: (bits_of(row), row.fact))


def most_exposed_subjects(report: Report) -> list[SubjectRow]:
    """Return all subjects: those with most facts leaked first, then by bits."""
    return sorted(report.subjects, key=lambda row: (-leaked(row), bits_of(row), row.subject))


def by_type(report: Report) -> list[TypeLeaks]:
    """Count the facts in scope by entity type, in alphabetical order."""
    types = sorted({row.entity_type for row in report.facts})
    return [_type_leaks(name, [row for row in report.facts if row.entity_type == name]) for name in types]


def _type_leaks(name: str, rows: Sequence[FactRow]) -> TypeLeaks:
    edited = any(row.leaked_after is not None for row in rows)
    return TypeLeaks(
        entity_type=name,
        leaked_before=Rate(hits=sum(row.leaked_before for row in rows), total=len(rows)),
        leaked_after=Rate(hits=sum(bool(row.leaked_after) for row in rows), total=len(rows))
        if edited
        else None,
        fewest_bits=min(map(bits_of, rows)),
    )
