"""Limits on YAML from anybody: on values, once aliases are written out, on depth, and on what a terminal would obey."""

import re
from typing import Any

import yaml

MOST_VALUES = 100_000
"""Values of a file, those that an alias repeats counted each time."""
MOST_DEPTH = 100
_CONTROL = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f]")
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser of libyaml where there is one: it is many times as fast, and events alone are asked of it."""


def find_excess(text: str) -> str | None:
    """Return what of a YAML text is beyond the limits, as the rest of a sentence; None where nothing is.

    Nothing is built: a few lines of aliases of aliases would be gigabytes.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    sizes: dict[str, int] = {}  # by anchor, once what it stands for has ended
    within: list[tuple[str | None, int]] = [
        (None, 0)
    ]  # anchor and size so far of each collection that is open
    for event in yaml.parse(text, Loader=_Parser):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            within.append((anchor, 1))
            if len(within) > MOST_DEPTH + 1:  # the first is the file itself
                return f"is nested more than {MOST_DEPTH} deep"
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = within.pop()
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == name for name, _ in within):
                return "has an alias within what it stands for"
            anchor, size = None, sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            if _CONTROL.search(event.value):
                return f"holds a control character in line {1 + (event.start_mark.line if event.start_mark else 0)}"
        else:
            continue
        if anchor:
            sizes[anchor] = size
        name, before = within[-1]
        within[-1] = name, before + size
        if before + size > MOST_VALUES:
            return f"holds more than {MOST_VALUES:,} values"
    return None
