"""Erase personal data from a trained language model, and measure what the erasure did.

    from expunge import audit, erase

    report = audit("model", corpus="corpus.jsonl", policy="gdpr", subjects=["Ada Quill"])
    report.verdict, report.exit_code

What the command line does, as functions; `help(audit)` names their arguments. Importing this imports neither torch nor
Presidio.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editor.api.functions import (
        audit,
        chat,
        compare,
        detect,
        erase,
        locate,
        plan,
        push,
        revert,
        verify,
        verify_report,
    )

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


def __getattr__(name: str) -> Any:
    """Import a function when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from editor.api import functions

    return getattr(functions, name)


def __dir__() -> list[str]:
    """Name what there is, for completion."""
    return sorted(__all__)
