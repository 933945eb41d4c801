"""Detectors: personal facts in text, found with Presidio and linked to the people they are about.

Importing this package is cheap; Presidio and spaCy are imported when detection starts.
"""

from detectors.corpus import Corpus, Document, read_corpus
from detectors.extract import DetectionResult, detect_facts
from detectors.fact import NOBODY, PREFIX_CHARACTERS, Fact, Source, Span, read_facts, write_facts
from detectors.people import Mention, Register
from detectors.scope import check_types, facts_in_scope
from detectors.unlinked import attribute_unlinked

__all__ = [
    "NOBODY",
    "PREFIX_CHARACTERS",
    "Corpus",
    "DetectionResult",
    "Document",
    "Fact",
    "Mention",
    "Register",
    "Source",
    "Span",
    "attribute_unlinked",
    "check_types",
    "detect_facts",
    "facts_in_scope",
    "read_corpus",
    "read_facts",
    "write_facts",
]
