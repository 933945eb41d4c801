"""What an audit looks at beyond its verdicts, one kind of evidence a file; `gather` puts them together."""

from editor.evidence.gather import EvidenceOptions, gather

__all__ = ["EvidenceOptions", "gather"]
