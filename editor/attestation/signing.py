"""Signatures over a Statement (DSSE) with a key of the user's own."""

ENVELOPE = "statement.dsse.json"
