"""A request in figures: what a list and a page of it show. No name and no secret, unless names are asked for."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from detectors.files import file_digest
from editor.artefacts.replacing import MANIFEST
from editor.casework.folder import WorkCase
from editor.casework.record import LinkedRun


def summary(case: WorkCase, today: date, *, names: bool = False) -> dict[str, Any]:
    """Return what a list shows of a request, as JSON holds it.

    Args:
        case: the request.
        today: today's date.
        names: whether the data subjects' names are in it.
    """
    closed = case.state == "closed"
    left = case.days_left(today)
    return {
        "case": case.id,
        "received": case.record.received.isoformat(),
        "deadline": case.deadline.isoformat(),
        "extended": case.record.extension is not None,
        "days_left": None if closed else left,
        "overdue": not closed and left < 0,
        "state": case.state,
        **({"names": [subject.name for subject in case.request.subjects]} if names else {}),
    }


def details(
    case: WorkCase, today: date, *, names: bool = False, lines: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return all that is known of a request, as JSON holds it; what was handed in by its number alone.

    Args:
        case: the request.
        today: today's date.
        names: whether names, aliases and e-mail addresses are in it.
        lines: numbers of a ledger's lines, by the manifest that each is about; None where no ledger was named.
    """
    subjects, record = case.request.subjects, case.record
    personal = {
        "aliases": [alias for subject in subjects for alias in subject.aliases],
        "emails": [email for subject in subjects for email in subject.emails],
    }
    given = Counter(entity_type for subject in subjects for entity_type, _ in subject.secrets)
    return {
        **summary(case, today, names=names),
        "people": len(subjects),
        **{name: texts if names else len(texts) for name, texts in personal.items()},
        "entity_types": list(case.request.entity_types) if case.request.entity_types else None,
        "handed_in": dict(sorted(given.items())),
        "extension": record.extension.model_dump(mode="json") if record.extension else None,
        "runs": [
            {
                **run.model_dump(mode="json"),
                "folder_is": standing(run),
                **({"ledger_line": lines.get(run.manifest)} if lines is not None else {}),
            }
            for run in record.runs
        ],
        "closing": record.closing.model_dump(mode="json") if record.closing else None,
    }


def standing(run: LinkedRun) -> str:
    """Say whether a run's folder is there as it was put on record."""
    path = Path(run.folder) / MANIFEST
    if not path.is_file():
        return "not there any more"
    return "as recorded" if file_digest(path) == run.manifest else "changed since"
