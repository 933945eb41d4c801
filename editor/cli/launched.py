"""A command that `accelerate launch` has started in several processes: the first one speaks for all."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from policies.errors import RequestError

COMMANDS_TOGETHER = ("audit", "erase", "verify", "dictionary")
"""Commands that know of several processes."""


def is_launched() -> bool:
    """Return whether this process is one of several that were started together."""
    return "RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def silence_others() -> None:
    """Let all processes but the first say nothing; what one of them fails on, the first one says."""
    if os.environ["RANK"] == "0":
        return
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # as long as the process
    if not os.environ.get("EXPUNGE_TRACEBACK"):
        sys.stderr = sys.stdout


def check_launched(arguments: Sequence[str]) -> None:
    """Refuse a command that would do all its work in every process, and write over itself.

    Raises:
        RequestError: it is none of `COMMANDS_TOGETHER`.
    """
    named = next((word for word in arguments if not word.startswith("-")), None)
    if named is not None and named not in COMMANDS_TOGETHER:
        raise RequestError(
            f"`{named}` runs in one process",
            f"Give it without a launcher; {', '.join(COMMANDS_TOGETHER)} take several",
        )


def leave_launched() -> None:
    """Flush what was said, and leave the others, where they were joined: from then on a launcher may end this one."""
    sys.stdout.flush()
    sys.stderr.flush()
    joined = sys.modules.get("editor.processes")
    if joined is not None:
        joined.leave()
