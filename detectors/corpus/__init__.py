"""Corpora: files of text, JSON, tables, mail and pages, as a stream of documents."""

from detectors.corpus.chats import Turn
from detectors.corpus.documents import Document
from detectors.corpus.reading import Corpus, read_corpus

__all__ = ["Corpus", "Document", "Turn", "read_corpus"]
