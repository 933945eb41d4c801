"""The Hugging Face hub as a place to upload to: looked up first, refusals in plain words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from policies.errors import HubError

WRITE = "Log in with a token that may write there (`hf auth login`), or name another repository"


@dataclass(frozen=True)
class Repository:
    """A repository on the hub, which may not be there yet.

    Attributes:
        name: `owner/name`.
        files: Names of the files that it has.
        api: Client of the hub.
    """

    name: str
    files: frozenset[str]
    api: Any = field(repr=False)

    @classmethod
    def look_up(cls, name: str, *, private: bool) -> "Repository":
        """Look a repository up, and change nothing.

        Args:
            name: `owner/name`.
            private: whether nobody else may see it.

        Raises:
            HubError: there is no token, the hub cannot be reached or does not take the token, or the repository is
                public and must not be.
        """
        from huggingface_hub import HfApi, errors, get_token

        if get_token() is None:
            raise HubError("There is no token for the hub here", "Run `hf auth login`, or set HF_TOKEN")
        api = HfApi(library_name="expunge", library_version=version("expunge"))
        with _refusals(name):
            try:
                info = api.model_info(name)
            except errors.GatedRepoError:
                raise
            except errors.RepositoryNotFoundError:
                api.whoami()  # a token that the hub does not know finds nothing either
                return cls(name, frozenset(), api)
        if private and not info.private:
            raise HubError(
                f"{name} is public on the hub", "Name another repository, or give --public to upload there"
            )
        return cls(name, frozenset(file.rfilename for file in info.siblings or ()), api)

    def upload(self, files: Mapping[str, Path | bytes], *, private: bool, message: str) -> str:
        """Make the repository where it is missing, add files in one commit, and return its address.

        Raises:
            HubError: the hub does not take them; nothing of them is there then.
        """
        from huggingface_hub import CommitOperationAdd

        added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in files.items()]
        with _refusals(self.name):
            address = str(self.api.create_repo(self.name, private=private, exist_ok=True))
            self.api.create_commit(self.name, added, commit_message=message)
        return address


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Say in plain words why the hub did not do what the `with` block asks; what it answered may hold a token."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:  # those of whichever client the hub's library has
        raise _refused(name, error) from None


def _refused(name: str, error: Exception) -> HubError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401:
        return HubError("The hub does not take the token", "Run `hf auth login` with a token that is valid")
    if status in (403, 404):
        return HubError(f"The hub does not let you write to {name}", WRITE)
    if status == 409:
        return HubError(f"{name} changed on the hub meanwhile", "Run again")
    if status == 429:
        return HubError("The hub takes no more requests for now", "Run again later")
    if isinstance(status, int):
        return HubError(f"The hub refuses the upload to {name} (HTTP {status})", "Run again later")
    return HubError(
        f"The hub cannot be reached ({type(error).__name__})",
        "Go online, unset HF_HUB_OFFLINE, and run again; --dry-run does without the hub",
    )
