"""Artefacts: masked, searched for secrets, and written whole."""
