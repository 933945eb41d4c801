"""The jobs of Expunge as functions: what the command line and Python call alike.

Each takes the fields of its request (`editor.api.requests`) as arguments and returns what was measured.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from editor.api.folder_requests import (
    ChatRequest,
    DetectRequest,
    PushRequest,
    RevertRequest,
    VerifyReportRequest,
)
from editor.api.requests import (
    AuditRequest,
    CompareRequest,
    EraseRequest,
    LocateRequest,
    PlanRequest,
    VerifyRequest,
)

if TYPE_CHECKING:
    from editor.api.chat import Exchange
    from editor.api.detect import Detected
    from editor.api.planning.values import Plan
    from editor.api.push import Pushed
    from editor.api.revert import Reverted
    from editor.attestation.findings import CheckedReport
    from editor.locate import Located
    from editor.results.comparison import Comparison
    from editor.results.report import Report

__all__ = [
    "audit",
    "chat",
    "compare",
    "detect",
    "erase",
    "locate",
    "plan",
    "push",
    "revert",
    "verify",
    "verify_report",
]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def _job(request: Callable[P, R]) -> Callable[[Callable[[R], T]], Callable[P, T]]:
    """Turn a job that takes a request into a function of the request's fields."""

    def decorate(run: Callable[[R], T]) -> Callable[P, T]:
        @wraps(run)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return run(request(*args, **kwargs))

        call.__signature__ = inspect.signature(request)  # type: ignore[attr-defined]  # for help and completion
        call.__doc__ = f"{run.__doc__}\n\n{_arguments(request)}"
        return call

    return decorate


def _arguments(request: object) -> str:
    """Describe the fields of a request and of what it extends, for `help`."""
    kinds = request.__mro__ if isinstance(request, type) else ()
    texts = [kind.__doc__ or "" for kind in kinds if kind.__module__ == "editor.api.requests"]
    fields = [text.partition("Attributes:\n")[2].rstrip() for text in texts]
    return "\n".join(["    Args:", *(text for text in fields if text)])


@_job(AuditRequest)
def audit(request: AuditRequest) -> "Report":
    """Measure what a model leaks of the personal facts in its training text, and return the validated report."""
    from editor.api.audit import run_audit

    return run_audit(request)


@_job(EraseRequest)
def erase(request: EraseRequest) -> "Report":
    """Erase data subjects from a model, verify the checkpoint written, and return the validated report."""
    from editor.api.erase import run_erase

    return run_erase(request)


@_job(VerifyRequest)
def verify(request: VerifyRequest) -> "Report":
    """Measure an edited checkpoint against the original, and return the validated report."""
    from editor.api.verify import run_verify

    return run_verify(request)


@_job(CompareRequest)
def compare(request: CompareRequest) -> "Comparison":
    """Compare edit methods on equal terms, and return all that was measured."""
    from editor.api.compare import run_compare

    return run_compare(request)


@_job(LocateRequest)
def locate(request: LocateRequest) -> "Located":
    """Find the units that carry the facts, and change nothing."""
    from editor.api.locate import run_locate

    return run_locate(request)


@_job(PlanRequest)
def plan(request: PlanRequest) -> "Plan":
    """Say what an audit and an erasure would take by stage, from the configuration and the corpus alone."""
    from editor.api.planning.plan import run_plan

    return run_plan(request)


@_job(DetectRequest)
def detect(request: DetectRequest) -> "Detected":
    """Find the personal facts in a corpus and whom they are about."""
    from editor.api.detect import run_detect

    return run_detect(request)


@_job(RevertRequest)
def revert(request: RevertRequest) -> "Reverted":
    """Write the checkpoint as it was before an edit, and check it bit for bit."""
    from editor.api.revert import run_revert

    return run_revert(request)


@_job(VerifyReportRequest)
def verify_report(request: VerifyReportRequest) -> "CheckedReport":
    """Check an output folder: recompute digests, verdict and exit code, and name every disagreement."""
    from editor.api.verify_report import run_verify_report

    return run_verify_report(request)


@_job(ChatRequest)
def chat(request: ChatRequest) -> "tuple[Exchange, ...]":
    """Ask an edited model and the original the same, and return what each answered."""
    from editor.api.chat import run_chat

    return run_chat(request)


@_job(PushRequest)
def push(request: PushRequest) -> "Pushed":
    """Upload a checkpoint, an adapter or a report to the Hugging Face hub, after checking what is uploaded."""
    from editor.api.push import run_push

    return run_push(request)
