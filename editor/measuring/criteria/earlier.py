"""Counting of facts that earlier requests had erased; there are none to ask for where none was given."""

from editor.measuring.criteria.criterion import Count
from editor.results.parts import Rate


def count_earlier(rate: Rate) -> Count | None:
    """Count facts of earlier requests, where there are any."""
    return Count.share(rate) if rate.total else None
