"""What a name of a model says about where it lies."""

from pathlib import Path


def looks_local(source: str) -> bool:
    """Return whether a name can only be a path: a hub name has at most one slash and does not begin with . or ~."""
    return Path(source).is_absolute() or source.startswith((".", "~")) or source.count("/") > 1


def on_hub(source: str) -> bool:
    """Return whether a name can only be one on the hub: it may be one, and nothing here goes by it."""
    return not looks_local(source) and not Path(source).exists()
