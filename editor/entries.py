"""Entries of tables that name their class: the table is read without importing what it lists."""

from importlib import import_module
from typing import Any


def load_object(path: str) -> Any:
    """Import `module:attribute` and return it."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)
