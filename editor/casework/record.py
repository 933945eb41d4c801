"""What is on record of a request besides whose data it asks for: its dates, the runs that dealt with it, how it ended.

The answer is due one month after receipt, and once two months later where that is decided and told within the first
month (Art. 12(3) GDPR). A month ends on the day of the same number, or on the month's last day where there is none.
"""

from calendar import monthrange
from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from policies.errors import RequestError
from policies.reading import StrictModel

MONTHS = 1
FURTHER_MONTHS = 2

State = Literal["open", "erased", "verified", "closed"]
Reason = Annotated[str, Field(min_length=1, strict=True)]


def months_after(day: date, months: int) -> date:
    """Return the day so many months later: 31 January and one month is the last of February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Extension(StrictModel):
    """Two further months.

    Attributes:
        day: day on which they were decided.
        reason: why, as the data subject is told.
    """

    day: date
    reason: Reason


class LinkedRun(StrictModel):
    """A run that dealt with the request.

    Attributes:
        folder: its output folder.
        kind: what it did.
        manifest: sha256 of the folder's manifest, as a ledger lists it.
        met: whether its report says that the request was erased, and the policy met, by the checkpoint read back.
    """

    folder: str
    kind: Literal["erase", "verify"]
    manifest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    met: bool


class Closing(StrictModel):
    """How the request ended.

    Attributes:
        day: day on which it was closed.
        erased: whether a run erased the data.
        reason: why nothing was erased, as the data subject is told; empty where it was.
    """

    day: date
    erased: bool
    reason: str = ""


class CaseRecord(StrictModel):
    """The record of a request.

    Attributes:
        version: version of this form.
        received: day on which the request came in.
        extension: two further months, where they were taken.
        runs: runs that dealt with it, the first one first.
        closing: how it ended; None as long as it has not.
    """

    version: Literal[1] = 1
    received: date
    extension: Extension | None = None
    runs: tuple[LinkedRun, ...] = ()
    closing: Closing | None = None

    @property
    def deadline(self) -> date:
        """Last day for the answer."""
        return months_after(self.received, MONTHS + (FURTHER_MONTHS if self.extension else 0))

    @property
    def state(self) -> State:
        """How far the request is."""
        if self.closing is not None:
            return "closed"
        if any(run.met for run in self.runs):
            return "verified"
        return "erased" if any(run.kind == "erase" for run in self.runs) else "open"

    def extended(self, reason: str, today: date) -> "CaseRecord":
        """Return the record with two further months.

        Raises:
            RequestError: there is no reason, it has them already, it is closed, or the first month is over.
        """
        if not reason.strip():
            raise RequestError("The extension has no reason", "Say why the answer takes longer")
        if self.closing is not None or self.extension is not None:
            was = "closed" if self.closing else "extended already"
            raise RequestError(
                f"The request was {was}", "The period is extended once, while the request is open"
            )
        if today > self.deadline:
            raise RequestError(
                f"The first month ended on {self.deadline}, and an extension is told within it (Art. 12(3) GDPR)",
                "Answer without delay",
            )
        return self.model_copy(update={"extension": Extension(day=today, reason=" ".join(reason.split()))})
