"""Models that detection finds names with, and those of the hub."""

from collections.abc import Iterator, Mapping

from editor.api.doctor.finding import Finding


def check_ner_models(found: Mapping[str, str | None] | None = None) -> Iterator[Finding]:
    """Say which named entity models are installed, after loading each.

    Args:
        found: model -> why it cannot be loaded, None where it can; None to look.
    """
    if found is None:
        try:
            from detectors.presidio.installed import installed_models

            found = installed_models()
        except Exception as error:  # spaCy and what it is built on have errors of their own
            yield Finding(
                area="names",
                state="bad",
                text=f"spaCy or Presidio cannot be imported ({type(error).__name__})",
                remedy="Install Expunge again, which brings them",
            )
            return
    for name, reason in found.items():
        yield Finding(
            area="names",
            state="good" if reason is None else "bad",
            text=f"spaCy's model {name}" + ("" if reason is None else f" cannot be loaded ({reason})"),
            remedy="" if reason is None else f"Run `python -m spacy download {name}`, or uninstall it",
        )
    if not found:
        yield Finding(
            area="names",
            state="note",
            text="No spaCy model is installed: names come from requests, fields, and lists of given names and surnames",
            remedy="For names and places that nobody listed, run `python -m spacy download en_core_web_lg`",
        )


def check_hub_cache() -> Iterator[Finding]:
    """Say whether models are fetched from the hub."""
    try:
        from huggingface_hub import constants
    except ImportError:  # `check_versions` says so
        return
    if constants.HF_HUB_OFFLINE:
        yield Finding(
            area="hub",
            state="note",
            text="HF_HUB_OFFLINE is set: hub names are looked for among the models kept here alone",
        )
    else:
        yield Finding(area="hub", state="good", text=f"Hub names are fetched from {constants.ENDPOINT}")
