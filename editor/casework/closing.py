"""Closing a request: by a run that erased and verified it, or with the reason why nothing is erased."""

from datetime import date

from editor.casework.folder import WorkCase
from editor.casework.record import CaseRecord, Closing
from editor.casework.runs import Run, with_run
from policies.errors import RequestError


def close_by(case: WorkCase, run: Run, today: date) -> WorkCase:
    """Close a request that a run erased.

    Raises:
        RequestError: the request is closed, or the run did not erase it, or verified something else.
    """
    _check_open(case.id, case.record)
    run.check_erased(case.request)
    return _closed(with_run(case, run.linked(case.request)), Closing(day=today, erased=True))


def close_without(case: WorkCase, reason: str, today: date) -> WorkCase:
    """Close a request of which nothing is erased (Art. 12(4) GDPR).

    Raises:
        RequestError: the request is closed, or there is no reason.
    """
    _check_open(case.id, case.record)
    if not reason.strip():
        raise RequestError(
            "There is no reason for closing without an erasure", "Say why nothing is erased by --reason"
        )
    return _closed(case, Closing(day=today, erased=False, reason=" ".join(reason.split())))


def _check_open(identifier: str, record: CaseRecord) -> None:
    if record.closing is not None:
        raise RequestError(
            f"Request {identifier} was closed on {record.closing.day}", "Open a new one if more is to go"
        )


def _closed(case: WorkCase, closing: Closing) -> WorkCase:
    def close(record: CaseRecord) -> CaseRecord:
        _check_open(case.id, record)
        return record.model_copy(update={"closing": closing})

    return case.changed(close)
