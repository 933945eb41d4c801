"""Posing the problem of an edit, the search of its settings, and the judge of its trials."""
