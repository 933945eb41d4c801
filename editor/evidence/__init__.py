"""What an audit looks at beyond its verdicts: one kind of evidence in each file, put together by `gather`."""

from editor.evidence.gather import EvidenceOptions, gather

__all__ = ["EvidenceOptions", "gather"]
