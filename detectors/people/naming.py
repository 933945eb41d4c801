"""The one person whom a short text seems to name, by the shape of the name: a guess about whoever is not known."""

from collections.abc import Iterable
from functools import lru_cache

from detectors.people.shapes import Shapes


def likely_name(texts: Iterable[str], language: str = "en") -> str | None:
    """Return the name that some texts have in common, or None where they name nobody or several people.

    It says who may be meant, and proves nothing: for questions that a wrong guess does no harm to.

    Args:
        texts: texts about one thing, such as the beginnings of the sentences that a secret stands in.
        language: two-letter code of the texts' language.
    """
    shapes = _shapes(language)
    found = {text[shape.start : shape.end] for text in texts for shape in shapes.find(text) if shape.is_name}
    return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=8)
def _shapes(language: str) -> Shapes:
    return Shapes(language)
