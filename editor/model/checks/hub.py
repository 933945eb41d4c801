"""Names on the hub: whether one can be looked up, and what the hub's refusals mean."""

from pathlib import Path

from editor.model.checks.sources import on_hub
from policies.errors import ModelError
from policies.faults import causes

MAIN = "main"
"""Branch of a model that is taken where no revision is named."""
SECONDS = 2.0
"""Time that the hub has to answer before a name that is nowhere here is refused."""


def check_revision(source: str, revision: str | None) -> None:
    """Refuse a revision of what lies in a folder.

    Raises:
        ModelError: a revision is named, and the model is a folder.
    """
    if revision is not None and Path(source).exists():
        raise ModelError(
            f"{source} is a folder, and --revision names one of a model on the hub", "Leave out --revision"
        )


def check_name(source: str | Path | None, revision: str | None) -> None:
    """Refuse what is neither a folder nor a hub name that can be looked up; torch is not needed for that.

    Raises:
        ModelError: the name is no hub name, or cannot be looked up.
    """
    if source is not None and on_hub(str(source)):
        check_hub(str(source), revision)


def check_hub(source: str, revision: str | None = None) -> None:
    """Refuse a hub name at once where the hub cannot be asked and nothing of it is kept here.

    transformers would try again and again, for half a minute and longer.

    Raises:
        ModelError: the name is no hub name, or cannot be looked up.
    """
    from huggingface_hub import constants, errors, get_session, try_to_load_from_cache

    try:
        kept = isinstance(try_to_load_from_cache(source, "config.json", revision=revision), str)
    except errors.HFValidationError:
        raise ModelError(
            f"There is no folder {source}, and a hub name it cannot be", "Check the path"
        ) from None
    if kept:
        return
    if constants.HF_HUB_OFFLINE:
        raise _unreachable(source, "HF_HUB_OFFLINE is set")
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception as error:  # those of whichever client the hub's library has
        raise _unreachable(source, f"the hub does not answer ({type(error).__name__})") from None


def hub_refusal(source: str, error: BaseException) -> ModelError | None:
    """Return the error for a name that the hub refuses; None where something else is wrong."""
    from huggingface_hub import errors

    for cause in causes(error):
        if isinstance(cause, errors.GatedRepoError):
            return ModelError(
                f"The hub gives {source} only to who was granted access",
                "Ask for it there, and run `hf auth login`",
            )
        if isinstance(cause, errors.RevisionNotFoundError):
            return ModelError(
                f"The hub has no such --revision of {source}", "Check the branch, tag or commit on its page"
            )
        if isinstance(cause, errors.RepositoryNotFoundError):
            return ModelError(
                f"There is neither a folder {source} here nor a model of that name on the hub that may be read",
                "Check the spelling; for a private model run `hf auth login`",
            )
        if isinstance(cause, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
            return _unreachable(source, "the hub does not answer")
        if isinstance(cause, errors.EntryNotFoundError):
            return ModelError(
                f"{source} on the hub lacks a file that is needed", "Name a model in transformers' format"
            )
    return None


def _unreachable(source: str, why: str) -> ModelError:
    return ModelError(
        f"There is no folder {source} here, and it cannot be fetched from the hub: {why}, and no copy is kept here",
        "Check the path; for a hub name go online, or fetch it beforehand with `hf download`",
    )
