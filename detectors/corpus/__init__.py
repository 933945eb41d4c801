"""Corpora: files of text, JSON, CSV and Parquet, as a stream of documents."""

from detectors.corpus.documents import Corpus, Document, read_corpus

__all__ = ["Corpus", "Document", "read_corpus"]
