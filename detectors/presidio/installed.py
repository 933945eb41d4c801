"""The spaCy models that are installed, and whether they can be loaded."""

from detectors.presidio.imports import import_presidio


def installed_models() -> dict[str, str | None]:
    """Return the name of each installed spaCy model, with why it cannot be loaded; None where it can."""
    import_presidio("auto")
    import spacy

    reasons: dict[str, str | None] = {}
    for name in sorted(spacy.util.get_installed_models()):
        try:
            spacy.load(name)
        except (OSError, ValueError, ImportError) as error:
            reasons[name] = type(error).__name__
        else:
            reasons[name] = None
    return reasons
