"""Evidence beyond an audit's verdicts: one kind in each file, put together by `gather`."""

from editor.evidence.gather import EvidenceOptions, gather

__all__ = ["EvidenceOptions", "gather"]
