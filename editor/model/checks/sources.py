"""What a name of a model says about where it lies."""

from pathlib import Path


def looks_local(source: str) -> bool:
    """Return whether a name can only be a path: a hub name has at most one slash and does not begin with . or ~."""
    return Path(source).is_absolute() or source.startswith((".", "~")) or source.count("/") > 1
