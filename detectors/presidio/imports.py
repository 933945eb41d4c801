"""The import of Presidio without torch and transformers, where no model needs them.

Presidio imports both, for recognizers that are not used here, whenever they are installed: ten seconds and
300 MB in each process.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from types import ModuleType

_HEAVY = ("torch", "transformers")


def import_presidio(ner: str) -> None:
    """Import Presidio and spaCy, with torch and transformers only where the policy's `ner` may need them."""
    if "presidio_analyzer" in sys.modules or _may_need_models(ner):
        import presidio_analyzer
    else:
        with _hide_modules(_HEAVY):
            import presidio_analyzer  # noqa: F401 - for its effect


def _may_need_models(ner: str) -> bool:
    return ner.startswith(("spacy:", "huggingface:")) or (
        ner == "auto" and bool(entry_points(group="spacy_models"))
    )


@contextmanager
def _hide_modules(names: tuple[str, ...]) -> Iterator[None]:
    """Keep modules that are not imported yet from being so in the block: what can do without them, does."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    hidden = [name for name in names if name not in modules]
    try:
        for name in hidden:
            modules[name] = None  # an import of it fails
        yield
    finally:
        for name in hidden:
            del modules[name]
